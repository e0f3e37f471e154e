//! Fields that say how a message is framed, for both versions of HTTP.

use policy::canonical::Malformed;
use policy::refusal::Refusal;

use super::head::Head;
use crate::headers::alike;

/// Fields a `Connection` header may not nominate, of a request or of an answer: an
/// intermediary that obeyed would drop what the next one relies on.
pub(crate) const PROTECTED: &[&str] = &[
    "host",
    "content-length",
    "transfer-encoding",
    "authorization",
    "cookie",
    "te",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-request-id",
];
/// Fields all `Connection` headers of a request may nominate.
const MAX_NOMINATIONS: usize = 10;

/// RFC 9110, section 5.6.2.
pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// The framing fields of one head, gathered field by field.
#[derive(Debug, Default)]
pub(crate) struct Framing {
    hosts: u8,
    content_lengths: u8,
    transfer_encodings: u8,
    nominations: usize,
    unknown_coding: bool,
    expects_continue: bool,
}

impl Framing {
    /// Takes one field.
    pub(crate) fn take(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refusal> {
        check_confusable(name)?;
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        // Most fields are none of these; their lengths rule them out at once.
        match name.len() {
            4 if is("host") => {
                self.hosts = self.hosts.saturating_add(1);
                // Pingora refuses it too, and would not say who asked for what.
                if value.contains(&b'@') {
                    return Err(Refusal::Malformed(Malformed::HostDelimiter));
                }
            }
            6 if is("expect") => {
                if !value.eq_ignore_ascii_case(b"100-continue") {
                    return Err(Refusal::Expectation);
                }
                self.expects_continue = true;
            }
            10 if is("connection") => self.nominate(value)?,
            14 if is("content-length") => {
                self.content_lengths = self.content_lengths.saturating_add(1);
                check_content_length(value)?;
            }
            17 if is("transfer-encoding") => {
                self.transfer_encodings = self.transfer_encodings.saturating_add(1);
                self.unknown_coding |= !value.eq_ignore_ascii_case(b"chunked");
            }
            _ => {}
        }
        Ok(())
    }

    /// M11.
    fn nominate(&mut self, value: &[u8]) -> Result<(), Refusal> {
        for nominated in value.split(|b| *b == b',').map(<[u8]>::trim_ascii) {
            self.nominations += 1;
            let protected = PROTECTED
                .iter()
                .any(|field| nominated.eq_ignore_ascii_case(field.as_bytes()));
            if protected || self.nominations > MAX_NOMINATIONS {
                return Err(Refusal::ConnectionNominations);
            }
        }
        Ok(())
    }

    /// M6, and one `Host` (RFC 9112, section 3.2).
    pub(crate) fn check(&self) -> Result<Head, Refusal> {
        if self.content_lengths > 0 && self.transfer_encodings > 0 {
            return Err(Refusal::ConflictingFraming);
        }
        self.check_length()?;
        if self.transfer_encodings > 1 || self.unknown_coding {
            return Err(Refusal::TransferEncoding);
        }
        self.check_host(true)?;
        Ok(Head {
            expects_continue: self.expects_continue,
            is_chunked: self.transfer_encodings > 0,
            named_before_path: 0,
        })
    }
}

impl Framing {
    /// The same of HTTP/2, whose frames say where a body ends, and `:authority` for
    /// which host it is: what stands beside them may not say two things.
    pub(super) fn check_http2(&self) -> Result<(), Refusal> {
        self.check_length()?;
        self.check_host(false)
    }

    /// CONNECT has no body: what follows its head is the tunnel's (RFC 9110,
    /// section 9.3.6), and one who read it otherwise would find a second request.
    pub(super) fn check_connect(&self, needs_host: bool) -> Result<(), Refusal> {
        if self.content_lengths > 0 || self.transfer_encodings > 0 {
            return Err(Refusal::ConnectBody);
        }
        if self.expects_continue {
            return Err(Refusal::Expectation);
        }
        self.check_host(needs_host)
    }

    fn check_length(&self) -> Result<(), Refusal> {
        match self.content_lengths {
            0 | 1 => Ok(()),
            _ => Err(Refusal::ContentLength),
        }
    }

    fn check_host(&self, needed: bool) -> Result<(), Refusal> {
        match self.hosts {
            0 if needed => Err(Refusal::Malformed(Malformed::HostMissing)),
            0 | 1 => Ok(()),
            _ => Err(Refusal::Malformed(Malformed::HostRepeated)),
        }
    }
}

/// M4: `content_length` and its like reach origins as `CONTENT_LENGTH`, the
/// same variable as `content-length`.
fn check_confusable(name: &[u8]) -> Result<(), Refusal> {
    const FRAMING: &[&[u8]] = &[
        b"content-length",
        b"transfer-encoding",
        b"host",
        b"connection",
    ];
    let confusable = name.contains(&b'_') && FRAMING.iter().any(|known| alike(name, known));
    match confusable {
        true => Err(Refusal::ConfusableHeader),
        false => Ok(()),
    }
}

/// `0|[1-9][0-9]{0,18}`, below 2^63: no sign, no list, no leading zero.
fn check_content_length(value: &[u8]) -> Result<(), Refusal> {
    let plain = match value {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.len() <= 18 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    let number = || std::str::from_utf8(value).ok()?.parse::<i64>().ok();
    if plain && number().is_some() {
        Ok(())
    } else {
        Err(Refusal::ContentLength)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(fields: &[(&str, &str)]) -> Result<Head, Refusal> {
        let mut framing = Framing::default();
        framing.take(b"Host", b"a")?;
        for (name, value) in fields {
            framing.take(name.as_bytes(), value.as_bytes())?;
        }
        framing.check()
    }

    #[test]
    fn refuses_every_second_opinion_about_the_length_of_a_body() {
        let cl = "Content-Length";
        let te = "Transfer-Encoding";
        for (fields, refusal) in [
            (
                &[(cl, "5"), (te, "chunked")][..],
                Refusal::ConflictingFraming,
            ),
            (&[(cl, "5"), (cl, "5")], Refusal::ContentLength),
            (&[(cl, "5, 5")], Refusal::ContentLength),
            (&[(cl, "+5")], Refusal::ContentLength),
            (&[(cl, "05")], Refusal::ContentLength),
            (&[(cl, "")], Refusal::ContentLength),
            (&[(cl, "9223372036854775808")], Refusal::ContentLength),
            (&[(te, "gzip, chunked")], Refusal::TransferEncoding),
            (&[(te, ",chunked")], Refusal::TransferEncoding),
            (
                &[(te, "chunked"), (te, "chunked")],
                Refusal::TransferEncoding,
            ),
            (&[("Content_Length", "5")], Refusal::ConfusableHeader),
            (
                &[("host", "b")],
                Refusal::Malformed(Malformed::HostRepeated),
            ),
            (&[("Expect", "200-ok")], Refusal::Expectation),
            (
                &[("Connection", "close, Content-Length")],
                Refusal::ConnectionNominations,
            ),
            (
                &[("Connection", "a,b,c,d,e,f,g,h,i,j,k")],
                Refusal::ConnectionNominations,
            ),
            (
                &[("Connection", "a,b,c,d,e,f"), ("connection", "g,h,i,j,k")],
                Refusal::ConnectionNominations,
            ),
        ] {
            assert_eq!(framing(fields), Err(refusal), "{fields:?}");
        }
        assert!(framing(&[(cl, "0")]).is_ok() && framing(&[(cl, "9223372036854775807")]).is_ok());
        assert!(framing(&[(te, "Chunked"), ("x_y", "z"), ("Connection", "keep-alive")]).is_ok());
        assert!(
            framing(&[("Expect", "100-Continue")])
                .unwrap()
                .expects_continue
        );
    }

    #[test]
    fn a_request_without_host_is_refused() {
        let missing = Refusal::Malformed(Malformed::HostMissing);
        assert_eq!(Framing::default().check(), Err(missing));
    }
}
