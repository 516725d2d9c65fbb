//! Requests that cannot be taken, and what is said of them.

use reqwest::{Method, StatusCode, header};
use serde_json::json;

use crate::{
    service::{Service, answer},
    topics::Topics,
};

/// Content type and body; status, beginning of the detail, and field.
type Case<'a> = (&'a str, &'a [u8], u16, &'a str, Option<&'a str>);

#[actix_web::test]
async fn a_bad_body_is_refused_with_its_reason() {
    let topics = Topics::new().await;
    topics.tweet("1", "rustconf").await;
    let service = Service::on(&topics).await;
    let long = format!(r#"{{"tweetId":"{}"}}"#, "x".repeat(65));
    let large = format!(r#"{{"tweetId":"1","x":"{}"}}"#, "x".repeat(5000));
    let cases: [Case; 14] = [
        ("application/json", b"", 400, "the body is not JSON: EOF", None),
        ("application/json", b"{\"tweetId\":", 400, "the body is not JSON: EOF", None),
        ("application/json", b"\xff\xfe", 400, "the body is not UTF-8", None),
        ("application/json", b"[{\"tweetId\":\"1\"}]", 400, "the body is not a JSON object", None),
        ("application/json", b"{}", 400, "tweetId: is missing", Some("tweetId")),
        ("application/json", b"{\"tweetId\":null}", 400, "tweetId: is missing", Some("tweetId")),
        ("application/json", b"{\"tweetId\":\"\"}", 400, "tweetId: is empty", Some("tweetId")),
        ("application/json", b"{\"tweetId\":1}", 400, "tweetId: must be a string", Some("tweetId")),
        ("application/json", b"{\"tweetId\":\"a b\"}", 400, "tweetId: has a character at byte 1", Some("tweetId")),
        ("application/json", long.as_bytes(), 400, "tweetId: has 65 bytes", Some("tweetId")),
        (
            "application/json",
            b"{\"tweetId\":\"1\",\"conference\":\"\"}",
            400,
            "conference: is empty",
            Some("conference"),
        ),
        ("application/json", large.as_bytes(), 413, "the body is larger than 4096 bytes", None),
        ("text/plain", b"{\"tweetId\":\"1\"}", 415, "the body must be of type application/json", None),
        ("application/x-www-form-urlencoded", b"tweetId=1", 415, "the body must be of type", None),
    ];
    for (kind, body, status, detail, field) in cases {
        let request = service.request(Method::POST, "/likes").header(header::CONTENT_TYPE, kind).body(body.to_vec());
        let refused = answer(request).await;
        let shown = String::from_utf8_lossy(body);
        assert_eq!(refused.status.as_u16(), status, "{shown}: {}", refused.text);
        let problem = refused.problem();
        assert!(problem.0.starts_with(detail), "{shown}: {}", problem.0);
        assert_eq!(problem.1.as_str(), field, "{shown}");
        assert_eq!(refused.cookie, None, "{shown}");
    }
    let compressed = service.request(Method::POST, "/likes").header(header::CONTENT_ENCODING, "gzip");
    let compressed = answer(compressed.header(header::CONTENT_TYPE, "application/json").body("x")).await;
    assert_eq!(compressed.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let charset =
        service.request(Method::POST, "/likes").header(header::CONTENT_TYPE, "application/json; charset=utf-8");
    assert_eq!(answer(charset.body("{\"tweetId\":\"1\"}")).await.status, StatusCode::OK);
    assert_eq!(topics.likes().await.len(), 1);
    service.stop().await;
}

#[actix_web::test]
async fn a_bad_path_or_query_is_refused_by_the_fields_name() {
    let topics = Topics::new().await;
    let service = Service::on(&topics).await;
    let cookie = service.new_visitor().await;
    let long = format!("/likes/{}", "x".repeat(65));
    for (path, field) in [
        ("/likes/a%20b", "tweetId"),
        ("/likes/a%2Fb", "tweetId"),
        (&long, "tweetId"),
        ("/likes/1?conference=", "conference"),
        ("/likes/1?conference=a,b", "conference"),
    ] {
        let refused = service.put(path, &cookie).await;
        assert_eq!((refused.status, refused.problem().1), (StatusCode::BAD_REQUEST, json!(field)), "{path}");
        assert_eq!(service.delete(path, "").await.status, StatusCode::BAD_REQUEST, "before the cookie is looked at");
    }
    for path in ["/likes/%ff", "/likes/1?conference=a&conference=b"] {
        let refused = service.put(path, &cookie).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{path}");
        refused.problem();
    }
    service.stop().await;
}

#[actix_web::test]
async fn other_methods_and_paths_are_refused_as_problems() {
    let topics = Topics::new().await;
    let service = Service::on(&topics).await;
    for (method, path, status) in [
        (Method::GET, "/likes/1", StatusCode::METHOD_NOT_ALLOWED),
        (Method::POST, "/likes/visitor", StatusCode::METHOD_NOT_ALLOWED),
        (Method::PUT, "/likes", StatusCode::METHOD_NOT_ALLOWED),
        (Method::PUT, "/likes/1/2", StatusCode::NOT_FOUND),
        (Method::GET, "/likesvisitor", StatusCode::NOT_FOUND),
    ] {
        let refused = answer(service.request(method.clone(), path)).await;
        assert_eq!(refused.status, status, "{method} {path}");
        refused.problem();
        assert_eq!(refused.headers.contains_key(header::ALLOW), status == StatusCode::METHOD_NOT_ALLOWED);
    }
    let document = service.get("/likes/openapi.json").await;
    assert_eq!(document.headers[header::CONTENT_TYPE], "application/json");
    assert!(document.json()["paths"]["/likes/{tweetId}"]["put"].is_object());
    service.stop().await;
}
