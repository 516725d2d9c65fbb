//! The HTTP server of every service: limits, health, metrics, and errors that explain themselves.

use std::{net::TcpListener, time::Instant};

use actix_web::{
    App, HttpResponse, HttpServer,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    error::{InternalError, PathError, QueryPayloadError},
    http::{StatusCode, header},
    middleware::{Next, from_fn},
    web,
};

use crate::{Health, HttpConfig, Problem, RequestTrace, Shutdown, install_metrics};

pub mod body;

/// Serves `routes` and the service's own `/health/…` and `/metrics` on `listener` until `shutdown` begins, then stops
/// accepting and waits, at most `config.drain`, for requests and streams to end.
///
/// # Errors
/// Where the listener cannot be used.
pub async fn serve(
    listener: TcpListener,
    config: &HttpConfig,
    health: Health,
    shutdown: Shutdown,
    routes: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
) -> std::io::Result<()> {
    let metrics = install_metrics();
    let limits = config.clone();
    let draining = shutdown.clone();
    let server = HttpServer::new(move || {
        let (health, routes, draining) = (health.clone(), routes.clone(), draining.clone());
        App::new()
            .wrap(from_fn(move |request, next| observe(request, next, draining.has_begun())))
            .app_data(limits.clone())
            .app_data(web::PathConfig::default().error_handler(|error, _| path_problem(error)))
            .app_data(web::QueryConfig::default().error_handler(|error, _| query_problem(error)))
            .configure(|config| health.routes(config))
            .route("/metrics", web::get().to(move || async { render(metrics) }))
            .configure(routes)
            .default_service(web::to(async || {
                Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path").response()
            }))
    })
    .workers(match config.workers {
        0 => std::thread::available_parallelism().map_or(2, usize::from),
        workers => workers,
    })
    .client_request_timeout(config.head_timeout)
    .client_disconnect_timeout(std::time::Duration::from_secs(1))
    .keep_alive(config.keep_alive)
    .max_connections(config.max_connections)
    .tcp_nodelay(true)
    // Whoever closes has gone, as reverse proxies see it too: a viewer's place is free at once, not at the next
    // heartbeat that cannot be written.
    .h1_allow_half_closed(false)
    .backlog(4096)
    .shutdown_timeout(config.drain.as_secs().max(1))
    .disable_signals()
    .listen(listener)?
    .run();
    let handle = server.handle();
    let stopping = async {
        shutdown.begun().await;
        handle.stop(true).await;
    };
    let (served, ()) = tokio::join!(server, stopping);
    served
}

fn render(metrics: &'static metrics_exporter_prometheus::PrometheusHandle) -> HttpResponse {
    metrics.run_upkeep();
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(metrics.render())
}

/// Around every request: its metrics, its log line (path without query), and a body for bare errors.
async fn observe(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
    draining: bool,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let began = Instant::now();
    let trace = RequestTrace::of(request.request()).0;
    let method = request.method().clone();
    let response = next.call(request).await?.map_into_boxed_body();
    let mut response = explain(response);
    if draining {
        // Whoever keeps this connection must find another replica for the next request.
        response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    }
    let route = response.request().match_pattern().unwrap_or_else(|| "(none)".to_owned());
    let status = response.status().as_u16();
    metrics::counter!("http_requests_total", "method" => method.to_string(), "route" => route.clone(), "status" => status.to_string())
        .increment(1);
    metrics::histogram!("http_request_seconds", "route" => route).record(began.elapsed().as_secs_f64());
    tracing::debug!(
        %method,
        path = response.request().path(),
        status,
        trace_id = trace.trace_id(),
        seconds = began.elapsed().as_secs_f64(),
        "request"
    );
    Ok(response)
}

/// Gives an error without a body, as the framework answers 405 and its own refusals, the body of a problem.
fn explain(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let status = response.status();
    let bare =
        response.headers().get(header::CONTENT_TYPE).is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if !(status.is_client_error() || status.is_server_error()) || !bare {
        return response;
    }
    let detail = match status {
        StatusCode::METHOD_NOT_ALLOWED => "this path does not take this method; the Allow header lists what it takes",
        StatusCode::NOT_FOUND => "there is nothing at this path",
        _ => status.canonical_reason().unwrap_or("the request was refused"),
    };
    let mut explained = Problem::new(status, detail).response();
    if let Some(allow) = response.headers().get(header::ALLOW) {
        explained.headers_mut().insert(header::ALLOW, allow.clone());
    }
    let (request, _) = response.into_parts();
    ServiceResponse::new(request, explained)
}

fn path_problem(error: PathError) -> actix_web::Error {
    let problem = Problem::bad_request(format!("the path cannot be read: {error}"));
    InternalError::from_response(error, problem.response()).into()
}

fn query_problem(error: QueryPayloadError) -> actix_web::Error {
    let problem = Problem::bad_request(format!("the query cannot be read: {error}"));
    InternalError::from_response(error, problem.response()).into()
}
