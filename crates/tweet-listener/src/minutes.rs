//! Counts by minute, as viewers get them.

use contracts::{MinuteCounts, MinuteSeries, Timestamp};

/// How many minutes viewers get.
const SHOWN: usize = 60;
const MINUTE: i64 = 60_000;

/// The minutes up to the one of `last`, those without posts and likes filled in; `None` where there is nothing to show.
pub fn series(counts: &[MinuteCounts], last: Option<Timestamp>) -> Option<MinuteSeries> {
    if counts.is_empty() {
        return None;
    }
    let shown = i64::try_from(SHOWN).unwrap_or(i64::MAX);
    let first = last?.millis().div_euclid(MINUTE) - (shown - 1);
    let mut series = MinuteSeries {
        start: Some(Timestamp::from_millis(first * MINUTE)),
        tweets: vec![0; SHOWN],
        likes: vec![0; SHOWN],
    };
    for minute in counts {
        let Some(start) = minute.start else { continue };
        let Ok(index) = usize::try_from(start.millis().div_euclid(MINUTE) - first) else { continue };
        if let (Some(tweets), Some(likes)) = (series.tweets.get_mut(index), series.likes.get_mut(index)) {
            (*tweets, *likes) = (minute.tweets, minute.likes);
        }
    }
    Some(series)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(minute: i64, tweets: u32, likes: u32) -> MinuteCounts {
        MinuteCounts { start: Some(Timestamp::from_millis(minute * MINUTE)), tweets, likes }
    }

    #[test]
    fn minutes_stand_at_their_place_and_those_between_are_zero() {
        let counts = [counts(99, 9, 9), counts(100, 1, 0), counts(157, 0, 2), counts(159, 3, 4)];
        let series = series(&counts, Some(Timestamp::from_millis(159 * MINUTE + 59_999))).expect("minutes");
        assert_eq!(series.start, Some(Timestamp::from_millis(100 * MINUTE)), "60 minutes and no more");
        let mut expected = (vec![0; 60], vec![0; 60]);
        (expected.0[0], expected.0[59], expected.1[57], expected.1[59]) = (1, 3, 2, 4);
        assert_eq!((series.tweets, series.likes), expected);
    }

    #[test]
    fn records_of_an_older_writer_say_nothing_of_minutes() {
        assert_eq!(series(&[], Some(Timestamp::from_millis(0))), None);
        assert_eq!(series(&[counts(1, 1, 1)], None), None);
    }
}
