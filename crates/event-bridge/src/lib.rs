//! HTTP → topic `tweets`: posts come in by webhook and stand on the topic before the answer goes out.

mod batch;
mod hashtag;
mod ifttt;
mod ifttt_time;
mod ingredient;
mod json_repair;
mod plain_text;
mod post;
mod rules;
mod tweet_id;
