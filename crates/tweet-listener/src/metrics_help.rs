//! What the metrics of this service mean.

use metrics::{Unit, describe_counter, describe_gauge};

/// Puts the help beside each.
pub(crate) fn describe() {
    describe_gauge!("tweet_listener_viewers", "Open streams");
    describe_gauge!("tweet_listener_filters", "Distinct sets of conferences that open streams watch");
    describe_gauge!(
        "tweet_listener_backlog_bytes",
        Unit::Bytes,
        "What the rings of a serving thread keep for viewers that are behind"
    );
    describe_gauge!(
        "tweet_listener_last_tweet_timestamp_seconds",
        Unit::Seconds,
        "When the last new tweet came from the broker, since the epoch"
    );
    describe_counter!("tweet_listener_refused_viewers_total", "Streams that were refused for a limit");
    describe_counter!(
        "tweet_listener_lapped_total",
        "Streams that were closed because their viewer was further behind than its ring reaches back"
    );
    describe_counter!("tweet_listener_stalled_total", "Streams that were closed because their viewer took nothing");
    describe_counter!("tweet_listener_resets_total", "Ids that could not be honoured, by reason");
    describe_counter!("tweet_listener_pages_read_total", "Pages of older tweets that were read from Kafka");
    describe_counter!(
        "tweet_listener_repeats_total",
        "Tweets that stood on the topic before, and were not shown again"
    );
    describe_counter!("tweet_listener_unreadable_records_total", "Records that were skipped, by topic");
}
