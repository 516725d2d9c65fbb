//! Pages of other origins (Fetch standard, section 3.2): who may read the stream from a script.

use actix_web::{
    HttpResponse,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{
            ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
            ACCESS_CONTROL_MAX_AGE, HeaderMap, HeaderValue, ORIGIN, VARY,
        },
    },
    middleware::Next,
};

/// Seconds for which a browser need not ask again.
const MAX_AGE: &str = "86400";

/// Origins whose pages may read what stands here; without cookies, which nothing here knows.
#[derive(Debug, Clone, Default)]
pub struct Cors {
    origins: Vec<String>,
}

impl Cors {
    /// For `origins` such as `https://wall.example`; `*` is every origin.
    pub fn new(origins: &[String]) -> Self {
        Self { origins: origins.to_vec() }
    }

    /// What a page of `origin` is told, where it may read.
    fn allowed(&self, origin: Option<&HeaderValue>) -> Option<HeaderValue> {
        let origin = origin?;
        if self.origins.iter().any(|allowed| allowed == "*") {
            return Some(HeaderValue::from_static("*"));
        }
        self.origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()).then(|| origin.clone())
    }

    fn tell(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        if self.origins.is_empty() {
            return;
        }
        headers.append(VARY, HeaderValue::from_static("Origin"));
        if let Some(allowed) = self.allowed(origin) {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        }
    }

    /// Around a request: answers a preflight, and tells of other answers, refusals too, who may read them.
    pub async fn around<B: MessageBody + 'static>(
        self,
        request: ServiceRequest,
        next: Next<B>,
    ) -> Result<ServiceResponse<impl MessageBody + use<B>>, actix_web::Error> {
        let origin = request.headers().get(ORIGIN).cloned();
        if request.method() == Method::OPTIONS {
            let mut response = HttpResponse::NoContent();
            response.insert_header(("Allow", "GET, HEAD, OPTIONS"));
            if self.allowed(origin.as_ref()).is_some() {
                response
                    .insert_header((ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD"))
                    .insert_header((ACCESS_CONTROL_ALLOW_HEADERS, "Last-Event-ID, Cache-Control"))
                    .insert_header((ACCESS_CONTROL_MAX_AGE, MAX_AGE));
            }
            let mut response = request.into_response(response.finish()).map_into_right_body();
            self.tell(origin.as_ref(), response.headers_mut());
            return Ok(response);
        }
        let mut response = next.call(request).await?.map_into_left_body();
        self.tell(origin.as_ref(), response.headers_mut());
        Ok(response)
    }
}
