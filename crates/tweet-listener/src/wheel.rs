//! A timer wheel: many deadlines, none of them exact to less than a tick.

/// Ticks since the wheel began to turn.
pub type Tick = u64;

/// Calls things up by tick. Whoever is called up looks whether it is really due, so nothing is ever taken off the wheel.
#[derive(Debug)]
pub struct Wheel<T> {
    buckets: Vec<Vec<T>>,
    /// The next tick to be called up.
    next: Tick,
}

impl<T> Wheel<T> {
    /// A wheel that reaches `horizon` ticks ahead and stands at `now`; what is due later is called up at its horizon.
    pub fn new(now: Tick, horizon: Tick) -> Self {
        Self { buckets: (0..=horizon.max(1)).map(|_| Vec::new()).collect(), next: now }
    }

    /// Has `what` called up at `at`, and in any case not before the next turn.
    pub fn schedule(&mut self, at: Tick, what: T) {
        let horizon = Tick::try_from(self.buckets.len() - 1).unwrap_or(Tick::MAX);
        let at = at.clamp(self.next, self.next.saturating_add(horizon));
        let bucket = self.bucket(at);
        self.buckets[bucket].push(what);
    }

    /// Turns to `now` and puts what is called up into `due`.
    pub fn turn(&mut self, now: Tick, due: &mut Vec<T>) {
        // A process that was stopped for longer than the horizon needs one round, not all that it has missed.
        let rounds = usize::try_from((now + 1).saturating_sub(self.next)).unwrap_or(usize::MAX).min(self.buckets.len());
        for _ in 0..rounds {
            let bucket = self.bucket(self.next);
            due.append(&mut self.buckets[bucket]);
            self.next += 1;
        }
        self.next = self.next.max(now + 1);
    }

    fn bucket(&self, at: Tick) -> usize {
        usize::try_from(at).unwrap_or(0) % self.buckets.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn everything_is_called_up_once_and_never_early_within_the_horizon(
            horizon in 1_u64..20,
            steps in proptest::collection::vec((0_u64..30, 0_u64..4), 1..80),
        ) {
            let mut wheel = Wheel::new(0, horizon);
            let (mut now, mut scheduled, mut called) = (0, 0, Vec::new());
            for (ahead, turn) in steps {
                wheel.schedule(now + ahead, (scheduled, now + ahead.min(horizon)));
                scheduled += 1;
                now += turn;
                let mut due = Vec::new();
                wheel.turn(now, &mut due);
                for (which, at) in due {
                    prop_assert!(at <= now, "{} was called up at {}", at, now);
                    called.push(which);
                }
            }
            wheel.turn(now + 100, &mut Vec::new());
            let mut rest = Vec::new();
            wheel.turn(now + 200, &mut rest);
            prop_assert!(rest.is_empty());
            let before = called.len();
            called.sort_unstable();
            called.dedup();
            prop_assert_eq!(called.len(), before);
        }
    }
}
