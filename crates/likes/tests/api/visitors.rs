//! Cookies: who gets one, and who is refused.

use reqwest::{Method, StatusCode, header};

use crate::{
    service::{Service, answer, config, visitor_config},
    topics::Topics,
};

const OTHER_KEY: &str = "another key of the tests with 32 bytes or more";

#[actix_web::test]
async fn a_new_visitor_gets_a_cookie_and_a_known_one_none() {
    let topics = Topics::new().await;
    let service = Service::on(&topics).await;
    let new = service.get("/likes/visitor").await;
    assert_eq!((new.status, new.text.as_str()), (StatusCode::OK, r#"{"visitor":"new"}"#));
    assert_eq!(new.headers[header::CACHE_CONTROL], "no-store");
    assert!(new.set_cookie().ends_with("; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax"), "{}", new.set_cookie());
    let cookie = new.cookie.unwrap();
    let known = answer(service.request(Method::GET, "/likes/visitor").header(header::COOKIE, &cookie)).await;
    assert_eq!((known.text.as_str(), known.cookie), (r#"{"visitor":"known"}"#, None));
    let https = answer(service.request(Method::GET, "/likes/visitor").header("X-Forwarded-Proto", "https")).await;
    assert!(https.set_cookie().ends_with("; Secure"));
    service.stop().await;
}

#[actix_web::test]
async fn a_stranger_is_refused_with_a_cookie_and_nothing_is_written() {
    let topics = Topics::new().await;
    topics.tweet("1", "rustconf").await;
    let service = Service::on(&topics).await;
    let good = service.new_visitor().await;
    let cut = &good[..good.len() - 1];
    let forged = format!("{}AAAAAAAAAAAAAAAAAAAAAA", &good[..=good.rfind('.').unwrap()]);
    for cookie in ["", "livewall_visitor=", "livewall_visitor=me", cut, &forged] {
        for method in [Method::PUT, Method::DELETE] {
            let refused = answer(service.request(method, "/likes/1").header(header::COOKIE, cookie)).await;
            assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{cookie}");
            assert!(refused.problem().0.contains("visitor cookie"), "{refused:?}");
            assert!(refused.headers.contains_key(header::WWW_AUTHENTICATE));
            assert!(refused.cookie.is_some(), "{cookie}");
        }
    }
    assert_eq!(topics.likes().await, []);

    let refused = answer(service.request(Method::PUT, "/likes/1")).await;
    let second = service.put("/likes/1", &refused.cookie.unwrap()).await;
    assert_eq!(second.status, StatusCode::OK, "with the cookie of the refusal the same request is taken");
    assert_eq!(topics.likes().await.len(), 1);
    service.stop().await;
}

#[actix_web::test]
async fn every_replica_and_the_next_key_know_the_same_visitor() {
    let topics = Topics::new().await;
    topics.tweet("1", "rustconf").await;
    let first = Service::on(&topics).await;
    let second = Service::on(&topics).await;
    let rotated = visitor_config(OTHER_KEY, &[crate::service::KEY]);
    let third = Service::ready(likes::Config { visitor: rotated, ..config(&topics) }).await;
    let forgotten = visitor_config(OTHER_KEY, &[]);
    let fourth = Service::ready(likes::Config { visitor: forgotten, ..config(&topics) }).await;

    let cookie = first.new_visitor().await;
    for service in [&first, &second, &third] {
        assert_eq!(service.put("/likes/1", &cookie).await.status, StatusCode::OK);
    }
    assert_eq!(fourth.put("/likes/1", &cookie).await.status, StatusCode::UNAUTHORIZED);
    let likes = topics.likes().await;
    assert_eq!(likes.len(), 3);
    assert!(likes.iter().all(|like| like.visitor_id == likes[0].visitor_id), "{likes:?}");
    assert!(!cookie.contains(&likes[0].visitor_id), "the topic does not tell the cookie");
    for service in [first, second, third, fourth] {
        service.stop().await;
    }
}

#[actix_web::test]
async fn a_post_may_bring_its_visitor_into_being() {
    let topics = Topics::new().await;
    topics.tweet("1", "rustconf").await;
    let service = Service::on(&topics).await;
    let like = serde_json::json!({"tweetId": "1"});
    let first = service.post(&like).await;
    assert_eq!(
        (first.status, first.text.as_str()),
        (StatusCode::OK, r#"{"tweetId":"1","conferences":["rustconf"],"liked":true}"#)
    );
    let cookie = first.cookie.unwrap();
    let again = answer(service.request(Method::POST, "/likes").header(header::COOKIE, &cookie).json(&like)).await;
    assert_eq!((again.status, again.cookie), (StatusCode::OK, None));
    assert_eq!(service.delete("/likes/1", &cookie).await.status, StatusCode::OK);
    let other = service.post(&like).await;
    assert_ne!(other.cookie, Some(cookie));
    let likes = topics.likes().await;
    assert_eq!(likes.iter().map(|like| like.liked).collect::<Vec<_>>(), [true, true, false, true]);
    assert_eq!(likes[0].visitor_id, likes[1].visitor_id);
    assert_eq!(likes[0].visitor_id, likes[2].visitor_id);
    assert_ne!(likes[0].visitor_id, likes[3].visitor_id);
    service.stop().await;
}
