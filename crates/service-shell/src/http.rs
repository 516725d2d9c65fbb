//! The HTTP server of every service: limits, health, metrics, and errors that explain themselves.

use std::{
    net::TcpListener,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_http::{HttpService, Protocol, error::DispatchError};
use actix_server::Server;
use actix_service::{IntoServiceFactory as _, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::{
    App, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{AppConfig, ServiceRequest, ServiceResponse},
    error::{InternalError, PathError, QueryPayloadError},
    http::{Method, StatusCode, header},
    middleware::{Next, from_fn},
    web,
};
use tokio::net::TcpStream;
use tokio_util::task::TaskTracker;

use self::{proxied::Balancers, takeover::Connection};
use crate::{Health, HttpConfig, Problem, RequestTrace, Shutdown, install_metrics, networks};

pub mod body;
mod proxied;
pub mod takeover;

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
    let balancers = networks("http.proxy_protocol_from", &config.proxy_protocol_from).map_err(std::io::Error::other)?;
    let balancers = Arc::new(Balancers::new(balancers, config.head_timeout));
    // Streams that have taken their connections over; the server itself knows nothing of them any more.
    let taken = TaskTracker::new();
    let builder = Server::build();
    let draining = builder.graceful_shutdown_signal();
    let (limits, open, stop) = (config.clone(), taken.clone(), shutdown.clone());
    // What `actix_web::HttpServer` does, with connections that can be taken over.
    let http = move || {
        let (open, draining) = (open.clone(), draining.clone());
        let app = application(&limits, &health, &stop, metrics, routes.clone());
        let http = HttpService::build()
            // Idle connections end at once when the shutdown begins.
            .graceful_shutdown_signal(move || {
                let draining = draining.clone();
                async move { draining.notified().await }
            })
            .client_request_timeout(limits.head_timeout)
            .client_disconnect_timeout(Duration::from_secs(1))
            .keep_alive(limits.keep_alive)
            // Who closes its sending half behind a request still reads the answer.
            .h1_allow_half_closed(true)
            .on_connect_ext(|connection: &Connection, data| {
                data.insert(connection.takeover());
            })
            .finish(map_config(app.into_factory().map_err(|error: actix_web::Error| error.error_response()), |()| {
                AppConfig::default()
            }));
        let balancers = balancers.clone();
        fn_service(move |mut socket: TcpStream| {
            let (open, balancers) = (open.clone(), balancers.clone());
            async move {
                let _ = socket.set_nodelay(true);
                let client = balancers.client_of(&mut socket).await.map_err(DispatchError::Io)?;
                Ok((Connection::new(socket, open), Protocol::Http1, Some(client)))
            }
        })
        .and_then(http)
    };
    let server = builder
        .workers(match config.workers {
            0 => std::thread::available_parallelism().map_or(2, usize::from),
            workers => workers,
        })
        .max_concurrent_connections(config.max_connections)
        .shutdown_timeout(config.drain.as_secs().max(1))
        .disable_signals()
        .listen("http", listener, http)?
        .run();
    let handle = server.handle();
    let stopping = async {
        shutdown.begun().await;
        handle.stop(true).await;
    };
    let streams_ended = async {
        shutdown.begun().await;
        taken.close();
        let _ = tokio::time::timeout(config.drain, taken.wait()).await;
    };
    let (served, (), ()) = tokio::join!(server, stopping, streams_ended);
    served
}

/// What answers: `routes`, and around them what every service has.
fn application<R: FnOnce(&mut web::ServiceConfig)>(
    config: &HttpConfig,
    health: &Health,
    shutdown: &Shutdown,
    metrics: &'static metrics_exporter_prometheus::PrometheusHandle,
    routes: R,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = actix_web::Error,
        InitError = (),
    > + use<R>,
> {
    let shutdown = shutdown.clone();
    App::new()
        .wrap(from_fn(move |request, next| observe(request, next, shutdown.has_begun())))
        .app_data(config.clone())
        .app_data(web::PathConfig::default().error_handler(|error, _| path_problem(error)))
        .app_data(web::QueryConfig::default().error_handler(|error, _| query_problem(error)))
        .configure(|config| health.routes(config))
        .route("/metrics", web::get().to(move || async move { render(metrics) }))
        .configure(routes)
        .default_service(web::to(async || {
            Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path").response()
        }))
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
    metrics::counter!("http_requests_total", "method" => method_label(&method), "route" => route.clone(), "status" => status.to_string())
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

/// Whoever sends a request chooses its method, and each label is kept for the life of the process.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::CONNECT => "CONNECT",
        Method::TRACE => "TRACE",
        _ => "other",
    }
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
