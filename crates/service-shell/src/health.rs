//! Liveness and readiness.

use std::{borrow::Cow, fmt, sync::Arc};

use actix_web::{HttpResponse, web};
use serde_json::{Map, Value, json};

use crate::Shutdown;

type Check = dyn Fn() -> Result<(), String> + Send + Sync;

/// The checks that readiness is made of. A process is live as long as it answers; it is ready when every check passes
/// and no shutdown has begun.
#[derive(Clone)]
pub struct Health {
    checks: Arc<Vec<(Cow<'static, str>, Box<Check>)>>,
    shutdown: Shutdown,
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.checks.iter().map(|(name, _)| name)).finish()
    }
}

impl Health {
    /// Without checks.
    pub fn new(shutdown: Shutdown) -> Self {
        Self { checks: Arc::default(), shutdown }
    }

    /// Adds a check; it must answer at once, from what others have found.
    ///
    /// # Panics
    /// Where a clone is in use already.
    pub fn with(
        mut self,
        name: impl Into<Cow<'static, str>>,
        check: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        let checks = Arc::get_mut(&mut self.checks).expect("checks are added before health is shared");
        checks.push((name.into(), Box::new(check)));
        self
    }

    /// Takes over the checks of `part` of the same process; they are called `part/name`, since several parts may have one
    /// of the same name.
    pub fn join(self, part: &str, other: Self) -> Self {
        (0..other.checks.len()).fold(self, |health, at| {
            let checks = Arc::clone(&other.checks);
            health.with(format!("{part}/{}", checks[at].0), move || checks[at].1())
        })
    }

    /// Whether everything passes.
    ///
    /// # Errors
    /// Each check that does not, with its reason.
    pub fn ready(&self) -> Result<(), Vec<(&str, String)>> {
        let mut failed: Vec<_> =
            self.checks.iter().filter_map(|(name, check)| check().err().map(|reason| (&**name, reason))).collect();
        if self.shutdown.has_begun() {
            failed.push(("shutdown", "draining".to_owned()));
        }
        if failed.is_empty() { Ok(()) } else { Err(failed) }
    }

    pub(crate) fn routes(&self, config: &mut web::ServiceConfig) {
        let health = self.clone();
        config
            .route("/health/live", web::get().to(async || HttpResponse::Ok().json(json!({"status": "live"}))))
            .route("/health/ready", web::get().to(move || std::future::ready(health.answer())));
    }

    fn answer(&self) -> HttpResponse {
        match self.ready() {
            Ok(()) => HttpResponse::Ok().json(json!({"status": "ready"})),
            Err(failed) => {
                let checks: Map<String, Value> =
                    failed.into_iter().map(|(name, reason)| (name.to_owned(), Value::String(reason))).collect();
                HttpResponse::ServiceUnavailable().json(json!({"status": "not ready", "checks": checks}))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::MessageBody as _;

    use super::*;

    #[test]
    fn checks_of_the_same_name_in_several_parts_are_told_apart() {
        let part = |reason: &'static str| Health::new(Shutdown::new()).with("broker", move || Err(reason.to_owned()));
        let whole =
            Health::new(Shutdown::new()).join("likes", part("no answer")).join("event-bridge", part("no topic"));
        let answer = whole.answer();
        assert_eq!(answer.status(), 503);
        let body = answer.into_body().try_into_bytes().expect("at hand");
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(body["checks"], json!({"likes/broker": "no answer", "event-bridge/broker": "no topic"}));
    }
}
