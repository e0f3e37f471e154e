//! What the two parsers share: operands, calls, member selection, and the
//! climbing of operator levels.
//!
//! A dialect is a [`Grammar`]: its operator levels and its own forms. No part
//! of a parser decides on types.

use super::error::{Located, Problem};
use super::lexer::{Lexeme, Token, lexemes};
use super::syntax::{Call, Form, Infix, Kind, Syntax};
use super::{Dialect, NESTING, cel, cexl};

pub(super) type Parsed = Result<Syntax, Located>;

/// What one dialect adds to the shared parser.
#[derive(Debug)]
pub(super) struct Grammar {
    /// The infix operator a token is, and its level: higher binds tighter.
    pub(super) infix: fn(&Token) -> Option<(Infix, u8)>,
    /// A whole expression.
    pub(super) expression: fn(&mut Parser) -> Parsed,
    /// An operand with the operators before it.
    pub(super) prefixed: fn(&mut Parser) -> Parsed,
    /// A word that is a constant.
    pub(super) boolean: fn(&str) -> Option<bool>,
    /// What to write instead of a sign of the other dialect.
    pub(super) foreign: fn(&str) -> Option<&'static str>,
}

/// Reads the whole text in the dialect.
pub(super) fn parse(text: &str, dialect: Dialect) -> Parsed {
    let grammar = match dialect {
        Dialect::Cexl => &cexl::GRAMMAR,
        Dialect::Cel => &cel::GRAMMAR,
    };
    let lexemes = lexemes(text, dialect)?;
    let mut parser = Parser {
        lexemes,
        next: 0,
        depth: 0,
        grammar,
    };
    let whole = parser.nested(grammar.expression)?;
    match parser.token() {
        Token::End => Ok(whole),
        _ => Err(parser.unexpected("an operator or the end")),
    }
}

/// A position in the tokens of one expression.
#[derive(Debug)]
pub(super) struct Parser {
    lexemes: Vec<Lexeme>,
    next: usize,
    depth: usize,
    grammar: &'static Grammar,
}

impl Parser {
    /// Runs a parser one level deeper; the guard against deep recursion.
    pub(super) fn nested(&mut self, parse: fn(&mut Self) -> Parsed) -> Parsed {
        if self.depth >= NESTING {
            return Err(Problem::TooDeep.at(self.at()));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    /// Operands joined by operators of at least this level.
    pub(super) fn chain(&mut self, floor: u8) -> Parsed {
        let mut left = (self.grammar.prefixed)(self)?;
        while let Some((infix, level)) = (self.grammar.infix)(self.token())
            && level >= floor
        {
            let at = self.advance();
            let right = self.chain(level + 1)?;
            left = Syntax::joined(at, infix, left, right)?;
        }
        Ok(left)
    }

    /// An operand with its members, calls and keys.
    pub(super) fn operand(&mut self) -> Parsed {
        let operand = self.primary()?;
        self.selected(operand)
    }

    /// What stands behind an operand: members, calls and keys.
    pub(super) fn selected(&mut self, operand: Syntax) -> Parsed {
        let mut operand = operand;
        loop {
            if self.take(".") {
                operand = self.member(operand)?;
            } else if self.token() == &Token::Sign("[") {
                operand = self.entry(operand)?;
            } else {
                return Ok(operand);
            }
        }
    }

    fn primary(&mut self) -> Parsed {
        let at = self.at();
        match self.token().clone() {
            Token::Text(text) => self.literal(Kind::Text(text)),
            Token::Double(number) => self.literal(Kind::Double(number)),
            Token::Int(number) => self.integer(i128::from(number)),
            Token::Name(name) => self.named(name),
            Token::Sign("(") => {
                self.advance();
                let inner = self.nested(self.grammar.expression)?;
                self.expect(")", "`)`").map(|()| inner)
            }
            Token::End if at == 0 => Err(self.unexpected("an expression")),
            _ => Err(self.unexpected("an attribute, a constant or `(`")),
        }
    }

    fn literal(&mut self, kind: Kind) -> Parsed {
        Syntax::new(self.advance(), kind)
    }

    /// The integer at the current token.
    pub(super) fn integer(&mut self, number: i128) -> Parsed {
        match i64::try_from(number) {
            Ok(number) => self.literal(Kind::Int(number)),
            Err(_) => Err(Problem::Number(number.to_string()).at(self.at())),
        }
    }

    fn named(&mut self, name: String) -> Parsed {
        let at = self.advance();
        if self.token() == &Token::Sign("(") {
            return self.call(at, name, Form::Function, Vec::new());
        }
        match (self.grammar.boolean)(&name) {
            Some(truth) => Syntax::new(at, Kind::Bool(truth)),
            None => Syntax::new(at, Kind::Name(name)),
        }
    }

    /// Behind a point: one more word of a name, or a method.
    fn member(&mut self, operand: Syntax) -> Parsed {
        let Token::Name(word) = self.token().clone() else {
            return Err(self.unexpected("a name behind `.`"));
        };
        let at = self.advance();
        if self.token() == &Token::Sign("(") {
            return self.call(at, word, Form::Method, vec![operand]);
        }
        match operand.kind {
            Kind::Name(name) => Syntax::new(operand.at, Kind::Name(format!("{name}.{word}"))),
            _ => Err(Problem::Unsupported {
                what: "a member of a value",
                instead: "the attribute's whole name, such as `request.host`",
            }
            .at(at)),
        }
    }

    fn entry(&mut self, map: Syntax) -> Parsed {
        let at = self.advance();
        let key = self.nested(self.grammar.expression)?;
        self.expect("]", "`]`")?;
        Syntax::new(at, Kind::Index(Box::new(map), Box::new(key)))
    }

    fn call(&mut self, at: usize, function: String, form: Form, receiver: Vec<Syntax>) -> Parsed {
        self.advance();
        let mut operands = receiver;
        operands.extend(self.list(")", "`,` or `)`")?);
        Syntax::new(
            at,
            Kind::Call(Call {
                function,
                form,
                operands,
            }),
        )
    }

    /// Expressions between commas, up to the closing sign.
    pub(super) fn list(
        &mut self,
        close: &'static str,
        expected: &'static str,
    ) -> Result<Vec<Syntax>, Located> {
        let mut items = Vec::new();
        if self.take(close) {
            return Ok(items);
        }
        loop {
            items.push(self.nested(self.grammar.expression)?);
            if self.take(close) {
                return Ok(items);
            }
            self.expect(",", expected)?;
        }
    }

    /// The current token.
    pub(super) fn token(&self) -> &Token {
        self.lexemes
            .get(self.next)
            .map_or(&Token::End, |lexeme| &lexeme.token)
    }

    /// The byte offset of the current token.
    pub(super) fn at(&self) -> usize {
        let lexeme = self.lexemes.get(self.next).or(self.lexemes.last());
        lexeme.map_or(0, |lexeme| lexeme.at)
    }

    /// Goes past the current token; gives its offset.
    pub(super) fn advance(&mut self) -> usize {
        let at = self.at();
        self.next += 1;
        at
    }

    /// Goes past the sign, if it is there.
    pub(super) fn take(&mut self, sign: &'static str) -> bool {
        let found = self.token() == &Token::Sign(sign);
        self.next += usize::from(found);
        found
    }

    /// Goes past the sign, which must be there.
    pub(super) fn expect(
        &mut self,
        sign: &'static str,
        shown: &'static str,
    ) -> Result<(), Located> {
        if self.take(sign) {
            return Ok(());
        }
        Err(self.unexpected(shown))
    }

    fn unexpected(&self, expected: &'static str) -> Located {
        let instead = match self.token() {
            Token::Sign(sign) => (self.grammar.foreign)(sign),
            _ => None,
        };
        let found = self.token().shown();
        let expected = instead.unwrap_or(expected);
        Problem::Unexpected { found, expected }.at(self.at())
    }
}
