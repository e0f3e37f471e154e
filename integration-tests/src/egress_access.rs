//! The log of document 004, line by line: what Mixer's stdio adapter wrote for
//! each request, byte for byte but for its time.

use crate::istio::POD;
use crate::record::is_time;

/// How lines write the start of a request.
const TIME: &str = "YYYY-MM-DDTHH:MM:SS.ffffffZ";

/// One request for edition.cnn.com, and what came of it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Path and query.
    pub path: &'a str,
    /// The answer's status.
    pub status: u16,
    /// The answer's body, in bytes.
    pub size: usize,
}

/// The lines for `all` requests of a principal: one of information each, and
/// one of error beside it for the forbidden topic.
#[must_use]
pub fn lines(all: &[Asked<'_>], principal: &str) -> Vec<String> {
    let informed = all.iter().map(|asked| line("info", asked, principal));
    let politics = all.iter().filter(|a| a.path.starts_with("/politics"));
    let alarmed = politics.map(|asked| line("error", asked, principal));
    informed.chain(alarmed).collect()
}

fn line(level: &str, asked: &Asked<'_>, principal: &str) -> String {
    let Asked { path, status, size } = asked;
    [
        format!(r#"{{"level":"{level}","time":"{TIME}","#),
        r#""instance":"egress-access.logentry.istio-system","#.to_owned(),
        format!(r#""destination":"edition.cnn.com","path":"{path}","#),
        format!(r#""reporterUID":"kubernetes://{POD}.istio-system","#),
        format!(r#""responseCode":{status},"responseSize":{size},"#),
        format!(r#""sourcePrincipal":"{principal}"}}"#),
    ]
    .concat()
}

/// Asserts that `written` are these lines and no others. Their order is nobody's
/// promise; their time is a time, and one request has one.
///
/// # Panics
/// When they are not.
#[track_caller]
pub fn assert_lines(written: &[String], mut expected: Vec<String>) {
    let (mut told, times): (Vec<_>, Vec<_>) = written.iter().map(|l| timeless(l)).unzip();
    told.sort();
    expected.sort();
    assert_eq!(told, expected, "{written:#?}");
    let politics = written.iter().zip(&times);
    let mut politics: Vec<_> = politics
        .filter(|(line, _)| line.contains(r#""path":"/politics"#))
        .map(|(_, time)| time)
        .collect();
    let lines = politics.len();
    politics.sort();
    politics.dedup();
    let message = "both lines of a request tell its start";
    assert_eq!(politics.len() * 2, lines, "{message}: {written:#?}");
}

/// The line with its time's form in its place, and the time.
fn timeless(line: &str) -> (String, String) {
    let key = r#""time":""#;
    let value = line
        .split_once(key)
        .and_then(|(_, rest)| rest.get(..TIME.len()));
    let time = value.unwrap_or_else(|| panic!("no time: {line}"));
    assert!(is_time(time, TIME), "`{time}` is not of the form {TIME}");
    (line.replacen(time, TIME, 1), time.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Asked<'_>; 2] = [
        Asked {
            path: "/politics",
            status: 200,
            size: 1_883_355,
        },
        Asked {
            path: "/sport",
            status: 200,
            size: 7,
        },
    ];
    const SLEEP: &str = "cluster.local/ns/default/sa/sleep";

    fn written(time: &str) -> Vec<String> {
        let lines = lines(&ALL, SLEEP);
        lines.iter().map(|line| line.replace(TIME, time)).collect()
    }

    #[test]
    fn the_line_is_the_documents() {
        assert_eq!(
            written("2019-01-29T07:43:24.611462Z")[0],
            "{\"level\":\"info\",\"time\":\"2019-01-29T07:43:24.611462Z\",\
             \"instance\":\"egress-access.logentry.istio-system\",\
             \"destination\":\"edition.cnn.com\",\"path\":\"/politics\",\
             \"reporterUID\":\"kubernetes://istio-egressgateway-747b6764b8-44rrh.istio-system\",\
             \"responseCode\":200,\"responseSize\":1883355,\
             \"sourcePrincipal\":\"cluster.local/ns/default/sa/sleep\"}"
        );
    }

    #[test]
    fn order_is_free() {
        let mut all = written("2019-01-29T07:43:24.611462Z");
        all.reverse();
        assert_lines(&all, lines(&ALL, SLEEP));
    }

    #[test]
    #[should_panic(expected = "both lines of a request tell its start")]
    fn one_request_has_one_time() {
        let mut all = written("2019-01-29T07:43:24.611462Z");
        all[0] = all[0].replace("24.6", "24.7");
        assert_lines(&all, lines(&ALL, SLEEP));
    }

    #[test]
    #[should_panic(expected = "is not of the form")]
    fn a_time_has_six_digits_of_a_second() {
        assert_lines(
            &written("2019-01-29T07:43:24.611Z      "),
            lines(&ALL, SLEEP),
        );
    }
}
