//! How a failed check answers: a code of gRPC, and the status of HTTP that
//! Istio's proxy made of it.

/// A code of gRPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Code {
    pub(super) name: &'static str,
    pub(super) number: u8,
    pub(super) http: u16,
}

impl Code {
    pub(super) const PERMISSION_DENIED: Self = code("PERMISSION_DENIED", 7, 403);
    pub(super) const FAILED_PRECONDITION: Self = code("FAILED_PRECONDITION", 9, 400);

    /// Every code but `OK`, which refuses nothing.
    pub(super) const ALL: [Self; 16] = [
        code("CANCELLED", 1, 499),
        code("UNKNOWN", 2, 500),
        code("INVALID_ARGUMENT", 3, 400),
        code("DEADLINE_EXCEEDED", 4, 504),
        code("NOT_FOUND", 5, 404),
        code("ALREADY_EXISTS", 6, 409),
        Self::PERMISSION_DENIED,
        code("RESOURCE_EXHAUSTED", 8, 429),
        Self::FAILED_PRECONDITION,
        code("ABORTED", 10, 409),
        code("OUT_OF_RANGE", 11, 400),
        code("UNIMPLEMENTED", 12, 501),
        code("INTERNAL", 13, 500),
        code("UNAVAILABLE", 14, 503),
        code("DATA_LOSS", 15, 500),
        code("UNAUTHENTICATED", 16, 401),
    ];
}

const fn code(name: &'static str, number: u8, http: u16) -> Code {
    Code { name, number, http }
}
