//! Topics → browsers, by Server-Sent Events; serves the page.

use std::process::ExitCode;

fn main() -> ExitCode {
    service_shell::launch(tweet_listener::INFO, tweet_listener::run)
}
