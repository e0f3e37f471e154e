//! Expressions that take away, over everything a request may be taken for.
//!
//! Which of two values of a field counts, whether an origin decodes a query, what
//! it makes of a path: a caller chooses, by choosing how to write. So each
//! comparison holds that holds in any reading, and what is joined by `&&` may
//! hold in different ones: `a == "1" && b == "2"` is not evaded by sending each
//! of the two twice, in another order. Of a comparison with its `!` the same is
//! true, which may refuse more than is meant, and never less.

use super::tree::Node;
use super::{Attribute, Attributes, Expr, Fault, Truth, eval, wide};

/// How the constants are written that a reading is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Letters {
    /// As the expression has them.
    AsWritten,
    /// Those that paths are compared with, as the views of DENY show paths.
    Wide,
}

/// An attempt that can be read in more than one way.
pub trait Readings {
    /// Asks in every reading in which what is asked for may differ, plainly
    /// first, until it is told that the answer is final. A single reading where
    /// nothing differs. Their number is bounded.
    ///
    /// # Errors
    /// The attribute that has more readings than can be asked, or one that
    /// cannot be read.
    fn each(&self, ask: &mut Ask<'_>) -> Result<(), Attribute>;
}

/// Asks in one reading; whether the answer is final.
pub type Ask<'f> = dyn FnMut(&dyn Attributes, Letters) -> bool + 'f;

impl Expr {
    /// As [`Expr::test_apart`], for a match that refuses: each comparison in
    /// whichever reading it holds. Where there is one reading it is the same.
    pub fn test_readings(&self, attempt: &dyn Readings) -> Truth {
        let mut answer = Truth::True;
        for (term, wide) in self.conjuncts().iter().zip(terms(self.wide())) {
            match outcome(term, wide, attempt) {
                Ok(true) => {}
                Ok(false) => return Truth::False,
                Err(fault) => answer = Truth::Absent(fault),
            }
        }
        answer
    }

    /// Makes what [`Expr::test_readings`] would make when it is first asked.
    pub fn prepare(&self) {
        self.wide();
    }

    fn wide(&self) -> &Node {
        let wide = self.wide.get_or_init(|| {
            let mut changes = false;
            let wide = wide::widened(&self.node, &mut changes);
            changes.then(|| Box::new(wide))
        });
        wide.as_deref().unwrap_or(&self.node)
    }
}

/// See [`Expr::conjuncts`].
pub(super) fn terms(node: &Node) -> &[Node] {
    match node {
        Node::And(_, terms) => terms,
        only => std::slice::from_ref(only),
    }
}

/// The truth of a node, of which `wide` is the same with other constants.
fn outcome(node: &Node, wide: &Node, attempt: &dyn Readings) -> Result<bool, Fault> {
    let each = |terms: &[Node], wides: &[Node], decisive, logic| {
        let terms = terms.iter().zip(wides);
        let truths = terms.map(|(term, wide)| outcome(term, wide, attempt));
        eval::joined(logic, truths, decisive)
    };
    match (node, wide) {
        (Node::And(logic, terms), Node::And(_, wides)) => each(terms, wides, false, *logic),
        (Node::Or(logic, terms), Node::Or(_, wides)) => each(terms, wides, true, *logic),
        _ => any(node, wide, attempt),
    }
}

/// What weighs most of all readings: that it cannot be told, for that hides what
/// stands behind it in CEXL; then, that it holds.
fn any(node: &Node, wide: &Node, attempt: &dyn Readings) -> Result<bool, Fault> {
    let mut found = Ok(false);
    let asked = attempt.each(&mut |attributes, letters| {
        let node = match letters {
            Letters::AsWritten => node,
            Letters::Wide => wide,
        };
        match eval::truth(node, attributes) {
            Ok(false) => {}
            told => found = told,
        }
        found.is_err()
    });
    match asked {
        Ok(()) => found,
        Err(attribute) => found.and(Err(Fault::Doubtful(attribute))),
    }
}
