//! The visitor cookie in requests and answers.

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderValue},
};
use contracts::VisitorId;

use crate::visitor::{NewVisitor, VisitorKeys};

/// The cookie's name.
pub(crate) const NAME: &str = "livewall_visitor";

/// A year, in seconds. Browsers keep cookies for 400 days at most.
const MAX_AGE: u32 = 365 * 24 * 60 * 60;

/// Cookies of our name that are looked at in one request. Other sites of the same domain can set more of them.
const LOOKED_AT: usize = 8;

/// The visitor whom a cookie of `request` tells.
pub(crate) fn visitor(request: &HttpRequest, keys: &VisitorKeys) -> Option<VisitorId> {
    let headers = request.headers().get_all(header::COOKIE);
    // As bytes: other cookies beside ours may hold anything.
    let pairs = headers.flat_map(|cookies| cookies.as_bytes().split(|byte| *byte == b';'));
    let values = pairs.filter_map(|pair| pair.trim_ascii().strip_prefix(NAME.as_bytes())?.strip_prefix(b"="));
    values.take(LOOKED_AT).find_map(|value| keys.visitor(std::str::from_utf8(value).ok()?))
}

/// Makes a visitor.
pub(crate) fn new_visitor(keys: &VisitorKeys) -> NewVisitor {
    let mut id = [0; 16];
    getrandom::fill(&mut id).expect("the operating system has random numbers");
    keys.issue(id)
}

/// The header that gives `request`'s browser the cookie of `visitor`: not for scripts, and not sent along when another
/// site makes the request.
pub(crate) fn set_cookie(visitor: &NewVisitor, request: &HttpRequest, always_secure: bool) -> HeaderValue {
    // Whoever forges X-Forwarded-Proto keeps only themself from getting the cookie back.
    let secure = if always_secure || request.connection_info().scheme() == "https" { "; Secure" } else { "" };
    let cookie = format!("{NAME}={}; Path=/; Max-Age={MAX_AGE}; HttpOnly; SameSite=Lax{secure}", visitor.cookie);
    HeaderValue::try_from(cookie).expect("base64url and the rest are visible ASCII")
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn keys() -> VisitorKeys {
        VisitorKeys::new("a key for tests", std::iter::empty())
    }

    fn found(headers: &[&[u8]]) -> Option<VisitorId> {
        let request = headers.iter().fold(TestRequest::get(), |request, value| {
            request.append_header((header::COOKIE, HeaderValue::from_bytes(value).expect("a value")))
        });
        visitor(&request.to_http_request(), &keys())
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let NewVisitor { id, cookie } = new_visitor(&keys());
        assert_eq!(found(&[format!("livewall_visitor={cookie}").as_bytes()]), Some(id.clone()));
        assert_eq!(found(&[format!("a=b;  livewall_visitor={cookie} ; c").as_bytes()]), Some(id.clone()));
        assert_eq!(found(&[b"a=\xff", format!("livewall_visitor={cookie}").as_bytes()]), Some(id.clone()));
        assert_eq!(found(&[format!("livewall_visitor=forged; livewall_visitor={cookie}").as_bytes()]), Some(id));
        assert_eq!(found(&[format!("xlivewall_visitor={cookie}").as_bytes()]), None);
        assert_eq!(found(&[]), None);
    }

    #[test]
    fn a_browser_that_came_by_https_gets_a_cookie_for_https_only() {
        let visitor = new_visitor(&keys());
        let set = |request: TestRequest, always| {
            set_cookie(&visitor, &request.to_http_request(), always).to_str().expect("ASCII").to_owned()
        };
        let plain = set(TestRequest::get(), false);
        assert_eq!(
            plain,
            format!("livewall_visitor={}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax", visitor.cookie)
        );
        assert_eq!(
            set(TestRequest::get().insert_header(("X-Forwarded-Proto", "https")), false),
            plain.clone() + "; Secure"
        );
        assert_eq!(set(TestRequest::get().insert_header(("X-Forwarded-Proto", "http")), true), plain + "; Secure");
    }
}
