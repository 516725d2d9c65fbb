//! Ids that one replica gave, at the other.

use load_test::{
    Poster, Series, Viewer,
    stage::{Broker, Plan, Stage},
};

use crate::wall::plan;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_that_comes_from_the_other_replica_goes_on_exactly_also_where_this_one_is_behind() -> anyhow::Result<()>
{
    let plan = Plan { services: &["event-bridge", "tweet-listener"], origin: false, ..plan() };
    let stage = Stage::start(Broker::of_tests(), plan).await?;
    let series = Series::new(4, 300);
    let mut poster = Poster::new(stage.event_bridge.addresses()[0], stage.token());
    let [ahead, behind] = stage.tweet_listener.addresses()[..] else { anyhow::bail!("two replicas") };

    let before = Viewer::start("of the replica that is ahead", &[ahead], "/updates");
    before.connected().await?;
    for count in 0..10 {
        poster.insist(&series.tweet(series.place(count))).await?;
    }
    before.reaches(&series, &series.sent(10)).await?;

    // One replica sees 40 posts more, the other nothing.
    let slow = &stage.tweet_listener.processes()[1];
    slow.pause().await?;
    for count in 10..50 {
        poster.insist(&series.tweet(series.place(count))).await?;
    }
    before.reaches(&series, &series.sent(50)).await?;
    let id = before.journal().id.clone();
    // Its request waits at the replica before that one can have read anything.
    let after = Viewer::resumed("of the replica that is behind", &[behind], "/updates", &id);
    slow.resume();
    after.until("to be connected", |journal| journal.connections.first().copied()).await?;
    for count in 50..90 {
        poster.insist(&series.tweet(series.place(count))).await?;
    }
    before.reaches(&series, &series.sent(90)).await?;
    before.journal().ledger(&series).balance(&series.sent(90))?;

    // What the first has seen after `id` is what the second sees, and nothing else.
    let numbers = |viewer: &Viewer, conference: usize| -> Vec<u64> {
        let journal = viewer.journal();
        let ids = journal.events.iter().filter_map(|seen| seen.data["tweetId"].as_str());
        let places = ids.filter_map(|id| series.place_of(id)).filter(|place| place.conference == conference);
        places.map(|place| place.number).collect()
    };
    for last in 86..90 {
        let last = series.tweet_id(series.place(last));
        after
            .until("the last posts", |journal| journal.last("tweetEvent", |data| data["tweetId"] == last).map(drop))
            .await?;
    }
    for conference in 0..series.conferences() {
        let sent = usize::try_from(series.sent(50)[conference])?;
        assert_eq!(numbers(&after, conference), numbers(&before, conference)[sent..], "conference {conference}");
    }
    assert!(after.journal().last("reset", |_| true).is_none());
    Ok(())
}
