//! Between decision and route, where a rule refers the request: the authoriser
//! is asked, and its word leads to the plan or to an answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use policy::authoriser::{AuthoriserRef, OnError, Referral, Word};
use policy::refusal::Refusal;

use super::{Asked, Exchange, Outbound, outbound};
use crate::authorise::{self, Answer, Inquiry};
use crate::reply::Reply;

/// A request that waits for a word.
pub(super) struct Question {
    pub(super) referral: Referral,
    pub(super) inquiry: Inquiry,
}

/// What was said of a request, for its record.
pub(super) struct Said {
    pub(super) authoriser: AuthoriserRef,
    pub(super) word: Word,
    pub(super) duration: Duration,
    /// Why there is no word.
    pub(super) error: Option<String>,
}

impl Exchange<'_> {
    /// Asks. An error is the answer to give.
    pub(super) async fn refer(&mut self, question: Question) -> Result<Outbound, Reply> {
        let Question { referral, inquiry } = question;
        let seen = Arc::clone(&self.trace.seen);
        let admission = seen.live.snapshot().admission();
        let begun = Instant::now();
        let gateway = &self.trace.connection.gateway;
        let answer = match admission.authoriser(referral.authoriser()) {
            Some(authoriser) => authorise::ask(gateway, &seen.live, authoriser, &inquiry).await,
            None => Answer::Nothing("there is no such authoriser".to_owned()),
        };
        let word = answer.word();
        self.trace.said = Some(Said {
            authoriser: referral.authoriser(),
            word,
            duration: begun.elapsed(),
            error: match &answer {
                Answer::Nothing(why) => Some(why.clone()),
                Answer::Yes(_) | Answer::No(_) => None,
            },
        });
        let (asking, grant, whom) = (referral.rule(), referral.grant(), referral.authoriser());
        match referral.answered(word) {
            Ok(plan) => {
                self.trace.planned(plan);
                let asked = Asked::by(&inquiry);
                let mut outbound = outbound(asked, admission.route(&plan));
                if let Answer::Yes(changes) = answer {
                    outbound.changes = changes;
                }
                let unvouched = inquiry.unvouched.iter().cloned();
                outbound.changes.remove.extend(unvouched);
                Ok(outbound)
            }
            Err(refusal) => {
                let mut reply = self.trace.refused(refusal);
                let by = match refusal {
                    Refusal::AuthoriserDenied | Refusal::AuthoriserUnavailable => Some(asking),
                    _ => grant.rule(),
                };
                self.trace.marked(by, grant.marks());
                match (refusal, answer) {
                    (Refusal::AuthoriserDenied, Answer::No(denial)) => {
                        reply = Reply::written(denial.status, denial.body);
                        reply.fields = denial.fields;
                    }
                    // As Envoy: a status, and no sentence.
                    (Refusal::AuthoriserUnavailable, _) => {
                        let on_error = admission.authoriser(whom).map(|a| a.on_error);
                        let status = match on_error {
                            Some(OnError::Deny(status)) => status,
                            Some(OnError::Allow) | None => refusal.status(),
                        };
                        reply = Reply::written(status, Bytes::new());
                    }
                    _ => {}
                }
                Err(reply)
            }
        }
    }
}
