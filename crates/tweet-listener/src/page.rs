//! The page and its parts, from inside the binary.

use actix_web::{
    HttpResponse, guard,
    http::header::{self, ContentType, EntityTag, IfNoneMatch},
    web,
};
use sha2::{Digest as _, Sha256};

/// Nothing but our own files, no inline script or style, and text never becomes markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'";

include!(concat!(env!("OUT_DIR"), "/page_files.rs"));

/// `/`, and the files that it loads under `/assets/`.
pub fn routes(config: &mut web::ServiceConfig) {
    for (name, bytes) in PAGE_FILES {
        let path = if *name == "index.html" { "/".to_owned() } else { format!("/assets/{name}") };
        let tag = EntityTag::new_strong(format!("{:x}", u64::from_le_bytes(digest(bytes))));
        config.route(
            &path,
            web::route()
                .guard(guard::Any(guard::Get()).or(guard::Head()))
                .to(move |known: web::Header<IfNoneMatch>| std::future::ready(answer(name, bytes, &tag, &known.0))),
        );
    }
}

fn digest(bytes: &[u8]) -> [u8; 8] {
    Sha256::digest(bytes)[..8].try_into().expect("SHA-256 has 32 bytes")
}

fn answer(name: &str, bytes: &'static [u8], tag: &EntityTag, known: &IfNoneMatch) -> HttpResponse {
    let unchanged = match known {
        IfNoneMatch::Any => true,
        IfNoneMatch::Items(tags) => tags.iter().any(|other| other.weak_eq(tag)),
    };
    let mut response = if unchanged { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .insert_header(header::ETag(tag.clone()))
        // Asked again each time, answered with 304: a new version is on every page at its next load.
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"));
    if unchanged {
        return response.finish();
    }
    response.insert_header(content_type(name)).body(bytes)
}

fn content_type(name: &str) -> ContentType {
    let kind = match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    ContentType(kind.parse().expect("a media type"))
}
