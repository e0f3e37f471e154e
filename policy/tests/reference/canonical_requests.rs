//! Hostile requests, made from a seed: the words attackers write, put together by
//! chance. Short enough, and lawful enough, that many of them are accepted.

#[rustfmt::skip]
const PATH_FRAGMENTS: &[&str] = &[
    "a", "b1", "volumes", "politics", "Index.html", ".well-known", "x-y_z~", "/", "/", "/", "/",
    "/", "//", "///", ".", ".", "..", "..", "...", "/./", "/../", "/..", "/.", ";", ";", "..;",
    ".;", ";x=y", "/;", "%2e", "%2E", "%2e%2e", "%2f", "%2F", "%5c", "%5C", "%3b", "%3B",
    "..%2f", "%2f..", "..%5c", "%25", "%252e", "%252f", "%25252e", "%2525", "%25%32%65", "%254",
    "1", "4", "e", "F", "%41", "%61", "%30", "%7e", "%7E", "%20", "%2a", "%3A", "%3f", "%23",
    "%", "%2", "%zz", "%%", "%00", "%0d%0a", "%7f", "%c0%af", "%c0%ae", "%e0%80%af", "%c3%a9",
    "%C3%9F", "%C5%BF", "%c4%b0", "%c4%b1", "%c7%b0", "%cf%82", "%ce%a3", "%e2%84%aa",
    "%ef%ac%81", "%ef%bc%8e", "%ef%bc%8f", "%ef%bc%bc", "%ef%bc%9b", "%ef%bc%85", "%e2%80%a4",
    "%e2%80%a5", "%ef%b9%92", "%ef%b9%a8", "%25ef%25bc%258f", "%ef%bc%b0", "%e1%ba%9e",
    "%ed%a0%80", "%f4%90%80%80", "%f0%9f%98%80", "%ff", "!$&'()*+,=:@", ":", "@", "?", "#", "\\",
    "\"", "<", "{", "|", "^", "`", " ", "\t", "\0", "\u{7f}", "\u{e9}", "\u{ff0e}", "http://",
];

#[rustfmt::skip]
const QUERY_FRAGMENTS: &[&str] = &[
    "q=x", "&", "=", "?", "/", "//", "/../", "%2e", "%2F", "%zz", "%", ";", "\\", "\"", "{}",
    "|", "^", "`", "#", " ", "\0", "\u{7f}", "\u{e9}", "http://a/",
];

#[rustfmt::skip]
const HOSTS: &[&str] = &[
    "open.cnn.test", "edition.cnn.com", "www.googleapis.com", "a.test", "EDITION.Cnn.COM",
    "a.b-c._d.test", "xn--bcher-kva.test", "127.0.0.1", "10.255.0.9", "[::1]",
    "[2001:db8::8:800:200c:417a]", "[2001:DB8:0:0:1:0:0:1]", "[::ffff:127.0.0.1]", "[fe80::1]",
    "localhost",
];

#[rustfmt::skip]
const HOST_FRAGMENTS: &[&str] = &[
    "a", "cnn", "TEST", "com", ".", ".", ".", "..", "-", "_", "-a", "a-", "0", "1", "127", "255",
    "256", "01", "0x7f", "0x", "0X1F", "0xg", "0x7f000001", "2130706433", ":", ":80", ":443",
    ":0443", ":0", ":65535", ":65536", ":66000", ":+443", ":443:80", ":8a", ":", "[", "]",
    "[::1]", "::", "::ffff:", "db8", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "fe80", "0:0",
    "1.2.3.4", "01.2.3.4", "%25eth0", "@", ",", "%", "/", "\\", "?", "#", "*", "!", " ", "\t",
    "\0", "\u{7f}", "\u{e9}", "\u{3002}", "\u{ff0e}",
];

#[rustfmt::skip]
const METHODS: &[&str] = &[
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "TRACK",
    "PROPFIND", "M-SEARCH", "A", "get", "Get", "", "-", "-GET", "GET-", "GET ", "GET1", "GET\0",
    "G\u{c9}T", "TRACES", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG",
];

/// A small deterministic generator (SplitMix64) and what is made with it.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0xd1b5_4a32_d192_ed03))
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit.max(1)).unwrap_or(u64::MAX);
        usize::try_from(self.roll() % limit).unwrap_or_default()
    }

    pub(crate) fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        let index = self.below(words.len());
        words.get(index).copied().unwrap_or_default()
    }

    fn append(&mut self, bytes: &mut Vec<u8>, fragments: &[&str], most: usize) {
        for _ in 0..self.below(most + 1) {
            bytes.extend(self.pick(fragments).bytes());
        }
    }

    pub(crate) fn host(&mut self) -> Vec<u8> {
        let mut host = Vec::new();
        if !self.one_in(4) {
            host.extend(self.pick(HOSTS).bytes());
        }
        if host.is_empty() || self.one_in(2) {
            self.append(&mut host, HOST_FRAGMENTS, 5);
        }
        if self.one_in(40) {
            let long = self.below(260);
            host.splice(0..0, vec![b'a'; long]);
        }
        if self.one_in(40) {
            self.damage(&mut host);
        }
        host
    }

    pub(crate) fn target(&mut self, host: &[u8]) -> Vec<u8> {
        let mut target = Vec::new();
        if self.one_in(8) {
            target.extend(
                self.pick(&["http://", "https://", "HTTP://", "hTtPs://", "ftp://"])
                    .bytes(),
            );
            target.extend(host);
            if self.one_in(4) {
                self.append(&mut target, HOST_FRAGMENTS, 2);
            }
        }
        if !self.one_in(16) {
            target.push(b'/');
        }
        self.append_path(&mut target);
        if self.one_in(3) {
            target.push(b'?');
            self.append(&mut target, QUERY_FRAGMENTS, 4);
        }
        if self.one_in(40) {
            self.damage(&mut target);
        }
        if self.one_in(400) {
            target.resize(8190 + self.below(5), b'a');
        }
        target
    }

    /// Half of the paths are short, so that many of them are lawful.
    fn append_path(&mut self, target: &mut Vec<u8>) {
        let most = if self.one_in(2) { 3 } else { 9 };
        for _ in 0..self.below(most) {
            if self.one_in(12) {
                let byte = self.below(256);
                target.extend(format!("%{byte:02x}").bytes());
            } else {
                target.extend(self.pick(PATH_FRAGMENTS).bytes());
            }
        }
    }

    pub(crate) fn method(&mut self) -> Vec<u8> {
        let mut method = self.pick(METHODS).as_bytes().to_vec();
        if self.one_in(10) {
            self.damage(&mut method);
        }
        method
    }

    /// Replaces, inserts or removes one byte.
    fn damage(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len() + 1);
        let byte = u8::try_from(self.below(256)).unwrap_or_default();
        if at < bytes.len() && self.one_in(2) {
            bytes.remove(at);
        }
        if !self.one_in(3) {
            bytes.insert(at, byte);
        }
    }
}
