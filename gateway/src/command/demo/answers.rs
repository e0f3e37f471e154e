//! What the external hosts say: a page of news, a book, an echo.
//!
//! As the real hosts answer, in small; nothing here knows of the gateway.

use std::time::Duration;

use pingora_http::RequestHeader;
use serde_json::{Map, Value, json};

/// httpbin delays no longer.
const LONGEST_DELAY: u64 = 10;

/// An answer, and how long it takes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) body: String,
    pub(super) delay: Duration,
}

/// What `host` says to a request.
pub(super) fn answer(host: &str, request: &RequestHeader) -> Answer {
    let path = request.uri.path();
    match host {
        "edition.cnn.com" => news(path),
        "www.googleapis.com" => book(path),
        _ => echo(host, path, request),
    }
}

fn news(path: &str) -> Answer {
    let topic = match path {
        "/politics" => "Politics",
        "/sport" => "Sport",
        "/health" => "Health",
        _ => return not_found(),
    };
    let headlines: String = (1..=9)
        .map(|number| {
            format!("      <li><a href=\"{path}/{number}\">{topic}, story {number}</a></li>\n")
        })
        .collect();
    let body = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n  <head><title>{topic} - CNN</title></head>\n  \
         <body>\n    <h1>{topic}</h1>\n    <ul>\n{headlines}    </ul>\n  </body>\n</html>\n"
    );
    Answer {
        content_type: "text/html; charset=utf-8",
        ..text(200, body)
    }
}

fn book(path: &str) -> Answer {
    let Some(id) = path.strip_prefix("/books/v1/volumes/") else {
        return not_found();
    };
    json(&json!({
        "kind": "books#volume",
        "id": id,
        "selfLink": format!("https://www.googleapis.com{path}"),
        "volumeInfo": {
            "title": "The Comedy of Errors",
            "authors": ["William Shakespeare"],
            "publishedDate": "1623",
            "language": "en",
        },
    }))
}

/// Tells the request as it arrived: what the gateway let through.
fn echo(host: &str, path: &str, request: &RequestHeader) -> Answer {
    let headers: Map<String, Value> = request
        .headers
        .iter()
        .map(|(name, value)| {
            (
                name.to_string(),
                String::from_utf8_lossy(value.as_bytes()).into(),
            )
        })
        .collect();
    let told = json(&json!({
        "url": format!("https://{host}{}", request.uri),
        "method": request.method.as_str(),
        "headers": headers,
    }));
    Answer {
        delay: delay(path),
        ..told
    }
}

fn delay(path: &str) -> Duration {
    let seconds = path
        .strip_prefix("/delay/")
        .and_then(|number| number.parse().ok());
    Duration::from_secs(seconds.unwrap_or(0).min(LONGEST_DELAY))
}

fn not_found() -> Answer {
    text(404, "Not Found\n".to_owned())
}

fn text(status: u16, body: String) -> Answer {
    Answer {
        status,
        content_type: "text/plain",
        body,
        delay: Duration::ZERO,
    }
}

fn json(value: &Value) -> Answer {
    let body = format!("{value:#}\n");
    Answer {
        content_type: "application/json",
        ..text(200, body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(host: &str, path: &str) -> Answer {
        let mut request = RequestHeader::build("GET", path.as_bytes(), None).unwrap();
        request.insert_header("x-tenant", "acme").unwrap();
        answer(host, &request)
    }

    #[test]
    fn hosts_answer_what_is_theirs() {
        assert!(
            ask("edition.cnn.com", "/sport")
                .body
                .contains("<title>Sport")
        );
        assert_eq!(ask("edition.cnn.com", "/elsewhere").status, 404);
        let book = ask("www.googleapis.com", "/books/v1/volumes/x");
        assert_eq!(
            serde_json::from_str::<Value>(&book.body).unwrap()["id"],
            "x"
        );
    }

    #[test]
    fn httpbin_tells_what_arrived_and_takes_the_time_it_is_asked_to() {
        let slow = ask("httpbin.org", "/delay/5");
        assert_eq!(slow.delay, Duration::from_secs(5));
        let told: Value = serde_json::from_str(&slow.body).unwrap();
        assert_eq!(told["headers"]["x-tenant"], "acme");
        assert_eq!(
            ask("httpbin.org", "/delay/999").delay,
            Duration::from_secs(10)
        );
        assert_eq!(ask("httpbin.org", "/delay/x").delay, Duration::ZERO);
    }
}
