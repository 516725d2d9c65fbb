//! The page and its parts, as they are delivered.

use std::{fs, path::Path};

use service_shell::Shutdown;
use tweet_listener::Config;

/// Without a broker: the page is there at once.
fn page(shutdown: &Shutdown) -> String {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let mut config = Config::default();
    config.kafka.brokers = closed.to_string();
    config.http.workers = 1;
    actix_web::rt::spawn(tweet_listener::run(config, listener, shutdown.clone()));
    origin
}

#[actix_web::test]
async fn every_part_of_the_page_comes_with_the_policy_and_as_what_it_is() {
    let shutdown = Shutdown::new();
    let origin = page(&shutdown);
    let mut files: Vec<_> = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("page"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort_unstable();
    assert!(files.contains(&"index.html".to_owned()) && files.contains(&"main.js".to_owned()), "{files:?}");
    for file in files {
        let path = if file == "index.html" { "/".to_owned() } else { format!("/assets/{file}") };
        let answer = reqwest::get(format!("{origin}{path}")).await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        let headers = answer.headers();
        let policy = headers["content-security-policy"].to_str().unwrap();
        let rules: Vec<_> = policy.split(';').map(str::trim).collect();
        for rule in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "img-src 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(rules.contains(&rule), "{path}: {rule} is not in {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("http:") && !policy.contains('*'), "{path}: {policy}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["referrer-policy"], "no-referrer", "{path}");
        assert_eq!(headers["cache-control"], "no-cache", "{path}");
        let kind = match file.rsplit('.').next().unwrap() {
            "html" => "text/html; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "svg" => "image/svg+xml",
            other => panic!("{other} has no media type"),
        };
        assert_eq!(headers["content-type"], kind, "{path}");
        // What a page has already is not sent again, under the same policy.
        let (tag, policy) = (headers["etag"].clone(), headers["content-security-policy"].clone());
        let again = reqwest::Client::new().get(format!("{origin}{path}")).header("if-none-match", tag);
        let again = again.send().await.unwrap();
        assert_eq!((again.status().as_u16(), &again.headers()["content-security-policy"]), (304, &policy), "{path}");
    }
    shutdown.begin();
}
