//! Liveness and readiness.

use std::{fmt, sync::Arc};

use actix_web::{HttpResponse, web};
use serde_json::{Map, Value, json};

use crate::Shutdown;

type Check = dyn Fn() -> Result<(), String> + Send + Sync;

/// The checks that readiness is made of. A process is live as long as it answers; it is ready when every check passes
/// and no shutdown has begun.
#[derive(Clone)]
pub struct Health {
    checks: Arc<Vec<(&'static str, Box<Check>)>>,
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
    pub fn with(mut self, name: &'static str, check: impl Fn() -> Result<(), String> + Send + Sync + 'static) -> Self {
        Arc::get_mut(&mut self.checks).expect("checks are added before health is shared").push((name, Box::new(check)));
        self
    }

    /// Takes over the checks of another part of the same process.
    pub fn join(self, other: Self) -> Self {
        let checks = Arc::clone(&other.checks);
        (0..checks.len()).fold(self, |health, at| {
            let checks = Arc::clone(&checks);
            health.with(other.checks[at].0, move || checks[at].1())
        })
    }

    /// Whether everything passes.
    ///
    /// # Errors
    /// Each check that does not, with its reason.
    pub fn ready(&self) -> Result<(), Vec<(&'static str, String)>> {
        let mut failed: Vec<_> =
            self.checks.iter().filter_map(|(name, check)| check().err().map(|reason| (*name, reason))).collect();
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
