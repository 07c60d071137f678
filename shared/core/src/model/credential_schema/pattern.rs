//! The patterns of a schema: read as JSON Schema means them, measured before they are used, and matched by an engine that
//! never backtracks.

use std::cell::RefCell;

use regex_automata::nfa::thompson::pikevm::{Cache, PikeVM};
use regex_automata::nfa::thompson::{Compiler, Config, WhichCaptures};
use regex_syntax::ast::{self, Ast, ClassPerl, ClassPerlKind, ClassSetItem, LiteralKind, SpecialLiteralKind};
use regex_syntax::hir::Hir;
use regex_syntax::{ParserBuilder, ast::parse::Parser};

/// Sizes in bytes that a compiled pattern may have, each with the number of places that such a pattern counts for. The
/// time of a match is bounded by this size times the length of the text. A check that uses up every limit takes about a
/// second.
const SIZES: [(usize, usize); 4] = [(1 << 10, 12), (4 << 10, 48), (16 << 10, 192), (64 << 10, 768)];
/// Factor by which a pattern with \p{…} may be larger: such a pattern compiles to many short alternatives.
const UNICODE: usize = 16;
/// Most bytes of a compiled pattern whose classes are spelled out in UTF-8.
const MAX_COMPILED: usize = 10 << 20;

/// Why a pattern is refused.
pub(super) enum Refusal {
    Unsupported,
    TooLarge,
}

/// A pattern, ready to be matched.
pub(super) struct Pattern {
    engine: PikeVM,
    cache: RefCell<Cache>,
}

impl Pattern {
    /// Compiles `text`.
    pub(super) fn new(text: &str) -> Result<Self, Refusal> {
        let text = translated(text).ok_or(Refusal::Unsupported)?;
        let hir = parsed(&text, true).ok_or(Refusal::Unsupported)?;
        let config = Config::new().nfa_size_limit(Some(MAX_COMPILED)).which_captures(WhichCaptures::None);
        let nfa = Compiler::new().configure(config).build_from_hir(&hir).map_err(|_| Refusal::TooLarge)?;
        let engine = PikeVM::new_from_nfa(nfa).map_err(|_| Refusal::Unsupported)?;
        let cache = RefCell::new(engine.create_cache());
        Ok(Self { engine, cache })
    }

    /// Returns `true` if the pattern matches somewhere in `text`.
    pub(super) fn is_match(&self, text: &str) -> bool {
        self.engine.is_match(&mut self.cache.borrow_mut(), text)
    }
}

/// Returns the number of places that the pattern `text` counts for.
pub(super) fn places(text: &str) -> Result<usize, Refusal> {
    let unicode = parsed(text, true).ok_or(Refusal::Unsupported)?;
    // In JSON Schema \w and \d match ASCII only. A pattern compiled for ASCII has a hundredth of the size of one compiled
    // for Unicode, which \p{…} needs.
    let (hir, factor) = parsed(text, false).map_or((unicode, UNICODE), |ascii| (ascii, 1));
    SIZES
        .iter()
        .find(|(size, _)| {
            let config = Config::new().nfa_size_limit(Some(size * factor));
            Compiler::new().configure(config).build_from_hir(&hir).is_ok()
        })
        .map(|(_, places)| *places)
        .ok_or(Refusal::TooLarge)
}

/// Returns `true` if `text` is a regular expression, as the format `regex` demands.
pub(super) fn is_regex(text: &str) -> bool {
    translated(&without_control_letters(text)).is_some()
}

fn parsed(text: &str, unicode: bool) -> Option<Hir> {
    ParserBuilder::new().unicode(unicode).utf8(unicode).build().parse(text).ok()
}

/// Replaces `\cA` and the like, which the parser does not know, by the control characters that they stand for.
fn without_control_letters(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let escaped = if c == '\\' { rest.as_str().chars().next() } else { None };
        let letter = rest.as_str().chars().nth(1).filter(char::is_ascii_alphabetic);
        match (escaped, letter) {
            (Some('c'), Some(letter)) => {
                plain.push(char::from(u8::try_from(letter).unwrap_or_default() % 32));
                rest.nth(1);
            }
            (Some(escaped), _) => {
                plain.extend([c, escaped]);
                rest.next();
            }
            (None, _) => plain.push(c),
        }
    }
    plain
}

/// Replaces \d, \w and \s, which match Unicode classes in Rust, by the ASCII classes of ECMA 262. Returns `None` if `text`
/// is no regular expression of both.
fn translated(text: &str) -> Option<String> {
    let ast = Parser::new().parse(text).ok()?;
    let classes = ast::visit(&ast, Classes::default()).ok()?;
    let (mut translated, mut from) = (String::with_capacity(text.len()), 0);
    for (start, end, class) in classes {
        translated.push_str(text.get(from..start)?);
        translated.push_str(class);
        from = end;
    }
    translated.push_str(text.get(from..)?);
    Some(translated)
}

/// The start and the end of each such class, and the class of ECMA 262, in the order of the text.
#[derive(Default)]
struct Classes(Vec<(usize, usize, &'static str)>);

impl Classes {
    fn add(&mut self, class: &ClassPerl) {
        let ecma = match (&class.kind, class.negated) {
            (ClassPerlKind::Digit, false) => "[0-9]",
            (ClassPerlKind::Digit, true) => "[^0-9]",
            (ClassPerlKind::Word, false) => "[A-Za-z0-9_]",
            (ClassPerlKind::Word, true) => "[^A-Za-z0-9_]",
            (ClassPerlKind::Space, false) => r"[\x20\t\n\r\x0b\x0c\u00a0\ufeff\u2003\u2029]",
            (ClassPerlKind::Space, true) => r"[^\x20\t\n\r\x0b\x0c\u00a0\ufeff\u2003\u2029]",
        };
        self.0.push((class.span.start.offset, class.span.end.offset, ecma));
    }
}

impl ast::Visitor for Classes {
    type Output = Vec<(usize, usize, &'static str)>;
    type Err = ();

    fn finish(self) -> Result<Self::Output, ()> {
        Ok(self.0)
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), ()> {
        if let ClassSetItem::Perl(class) = item {
            self.add(class);
        }
        Ok(())
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), ()> {
        match ast {
            Ast::ClassPerl(class) => self.add(class),
            // ECMA 262 has no escape \a.
            Ast::Literal(literal) if literal.kind == LiteralKind::Special(SpecialLiteralKind::Bell) => {
                return Err(());
            }
            _ => {}
        }
        Ok(())
    }
}
