//! What is known about a place of a file.

use lsp_types as lsp;
use threescript::engine::{Catalog, NativeFunction, host_functions};
use threescript::policy::type_name;

use super::outline::{self, Kind, Symbol};
use super::text;

/// Words of bodies.
const WORDS: [&str; 15] = [
    "let", "if", "else", "while", "loop", "for", "in", "break", "continue", "return", "true",
    "false", "block", "caller", "do",
];
const TYPES: [&str; 17] = [
    "bool", "int", "decimal", "amount", "percent", "duration", "time", "size", "text", "bytes",
    "account", "id", "map", "script", "any", "list", "one_of",
];
const ROUNDINGS: [&str; 4] = ["floor", "half_up", "half_down", "half_even"];

/// What the word at a place is: its declaration, a native of the circle, or a function of the library.
pub fn hover(text: &str, place: lsp::Position, catalog: &Catalog) -> Option<lsp::Hover> {
    let (from, word) = text::word(text, place)?;
    let symbols = outline::read(text);
    let module = before_point(text, place.line, from);
    let native = module
        .as_deref()
        .and_then(|module| catalog.function(module, &word));
    let shown = match (native, find(&symbols, &word, place.line)) {
        (Some(native), _) => native_page(module.as_deref().unwrap_or_default(), native),
        (None, Some(symbol)) => symbol_page(&symbols, symbol),
        (None, None) => library_page(&word)?,
    };
    Some(lsp::Hover {
        contents: lsp::HoverContents::Markup(lsp::MarkupContent {
            kind: lsp::MarkupKind::Markdown,
            value: shown,
        }),
        range: Some(text::range(text, place.line, from, word.chars().count())),
    })
}

/// Where the word at a place is declared in this file.
pub fn definition(text: &str, place: lsp::Position) -> Option<lsp::Range> {
    let (_, word) = text::word(text, place)?;
    let symbols = outline::read(text);
    let found = find(&symbols, &word, place.line);
    found
        .map(|symbol| name_range(text, symbol))
        .or_else(|| local(text, &symbols, &word, place.line))
}

/// What may stand at a place.
pub fn completion(text: &str, place: lsp::Position, catalog: &Catalog) -> Vec<lsp::CompletionItem> {
    let at = text::character(text, place);
    let line: Vec<char> = text::line(text, place.line).chars().take(at).collect();
    let typed = line
        .iter()
        .rev()
        .take_while(|character| text::is_word(**character))
        .count();
    let before = &line[..line.len() - typed];
    let symbols = outline::read(text);
    match before.last() {
        Some('.') => behind_point(text, place.line, before.len(), &symbols, catalog),
        Some('"') => within_text(before, &symbols),
        _ => anywhere(&symbols, place.line, catalog, before.is_empty()),
    }
}

/// The outline of a file as editors show it.
pub fn symbols(text: &str) -> Vec<lsp::DocumentSymbol> {
    let symbols = outline::read(text);
    let shown = |symbol: &Symbol, children: Option<Vec<lsp::DocumentSymbol>>| {
        let selection = name_range(text, symbol);
        let end = text::position(text, symbol.end, usize::MAX);
        #[allow(deprecated, reason = "the field has to be given")]
        lsp::DocumentSymbol {
            name: symbol.name.clone(),
            detail: Some(symbol.detail.clone()),
            kind: symbol_kind(symbol.kind),
            tags: None,
            deprecated: None,
            range: lsp::Range::new(lsp::Position::new(symbol.line, 0), end.max(selection.end)),
            selection_range: selection,
            children,
        }
    };
    let tops = symbols
        .iter()
        .enumerate()
        .filter(|(_, symbol)| symbol.parent.is_none());
    let with_parts = tops.map(|(index, symbol)| {
        let parts = symbols.iter().filter(|part| part.parent == Some(index));
        shown(symbol, Some(parts.map(|part| shown(part, None)).collect()))
    });
    with_parts.collect()
}

/// The declaration that a word means in a line: a parameter of what the line is in comes first.
fn find<'s>(symbols: &'s [Symbol], word: &str, line: u32) -> Option<&'s Symbol> {
    let is_seen = |symbol: &&Symbol| match (symbol.kind, symbol.parent) {
        (Kind::Argument, Some(parent)) => {
            (symbols[parent].line..=symbols[parent].end).contains(&line)
        }
        _ => true,
    };
    let mut named: Vec<&Symbol> = symbols
        .iter()
        .filter(|symbol| symbol.name == word)
        .filter(is_seen)
        .collect();
    named.sort_by_key(|symbol| match symbol.kind {
        Kind::Argument => 0,
        Kind::Column => 2,
        _ => 1,
    });
    named.first().copied()
}

/// The nearest `let` or `for` of a variable above, in the same declaration.
fn local(text: &str, symbols: &[Symbol], word: &str, line: u32) -> Option<lsp::Range> {
    let mut around = symbols.iter().filter(|symbol| symbol.parent.is_none());
    let around = around.find(|symbol| (symbol.line..=symbol.end).contains(&line))?;
    for number in (around.line..=line).rev() {
        let characters: Vec<char> = text::line(text, number).chars().collect();
        let words = words_of(&characters);
        for (index, (at, name)) in words.iter().enumerate() {
            let before = index.checked_sub(1).map(|before| words[before].1.as_str());
            let is_counter = index >= 2
                && words[index - 2].1 == "for"
                && words.get(index + 1).is_some_and(|next| next.1 == "in");
            if name == word && (matches!(before, Some("let" | "for")) || is_counter) {
                return Some(text::range(text, number, *at, word.chars().count()));
            }
        }
    }
    None
}

fn words_of(characters: &[char]) -> Vec<(usize, String)> {
    let mut words: Vec<(usize, String)> = Vec::new();
    for (at, character) in characters
        .iter()
        .enumerate()
        .filter(|(_, character)| text::is_word(**character))
    {
        match words.last_mut() {
            Some((start, word)) if *start + word.chars().count() == at => word.push(*character),
            _ => words.push((at, character.to_string())),
        }
    }
    words
}

/// The word before the point that stands before a character.
fn before_point(text: &str, line: u32, from: usize) -> Option<String> {
    let characters: Vec<char> = text::line(text, line).chars().take(from).collect();
    let (point, rest) = characters.split_last()?;
    if *point != '.' {
        return None;
    }
    let word: Vec<char> = rest
        .iter()
        .rev()
        .take_while(|character| text::is_word(**character))
        .copied()
        .collect();
    (!word.is_empty()).then(|| word.into_iter().rev().collect())
}

fn behind_point(
    text: &str,
    line: u32,
    from: usize,
    symbols: &[Symbol],
    catalog: &Catalog,
) -> Vec<lsp::CompletionItem> {
    use lsp::CompletionItemKind as Item;
    let root = before_point(text, line, from);
    let module = catalog
        .modules()
        .find(|(module, _)| root.as_deref() == Some(module));
    if let Some((module, functions)) = module {
        let items = functions.iter().map(|native| {
            let page = native_page(module, native);
            item(&native.name, Item::FUNCTION, &native_form(native), &page)
        });
        return items.collect();
    }
    let is_table = symbols
        .iter()
        .any(|symbol| symbol.kind == Kind::Table && root.as_deref() == Some(&symbol.name));
    let library = host_functions();
    let methods = library.iter().filter(|function| match is_table {
        true => function
            .cases
            .split(';')
            .any(|case| case.trim().starts_with("table") || case.trim().starts_with("rows")),
        false => true,
    });
    let methods = methods.map(|function| {
        let kind = if function.property {
            Item::PROPERTY
        } else {
            Item::METHOD
        };
        item(function.name, kind, function.cases, function.doc)
    });
    let columns = symbols
        .iter()
        .filter(|symbol| symbol.kind == Kind::Column && !is_table);
    let columns =
        columns.map(|symbol| item(&symbol.name, Item::FIELD, &symbol.detail, &symbol.doc));
    once(columns.chain(methods))
}

/// Behind a quotation mark: columns of the table whose method is called, formulas, roundings.
fn within_text(before: &[char], symbols: &[Symbol]) -> Vec<lsp::CompletionItem> {
    use lsp::CompletionItemKind as Item;
    let words = words_of(before);
    let is_named = |symbol: &&Symbol| {
        symbol.kind == Kind::Table && words.iter().any(|(_, word)| *word == symbol.name)
    };
    let table = symbols.iter().position(|symbol| is_named(&symbol));
    let columns = symbols.iter().filter(|symbol| {
        symbol.kind == Kind::Column && (table.is_none() || symbol.parent == table)
    });
    let columns =
        columns.map(|symbol| item(&symbol.name, Item::FIELD, &symbol.detail, &symbol.doc));
    let formulas = symbols.iter().filter(|symbol| symbol.kind == Kind::Formula);
    let formulas =
        formulas.map(|symbol| item(&symbol.name, Item::FUNCTION, &symbol.detail, &symbol.doc));
    let roundings = ROUNDINGS
        .iter()
        .map(|name| item(name, Item::ENUM_MEMBER, "rounding", ""));
    once(columns.chain(formulas).chain(roundings))
}

fn anywhere(
    symbols: &[Symbol],
    line: u32,
    catalog: &Catalog,
    is_start: bool,
) -> Vec<lsp::CompletionItem> {
    use lsp::CompletionItemKind as Item;
    if is_start {
        return outline::keywords()
            .map(|word| item(word, Item::KEYWORD, "declaration", ""))
            .collect();
    }
    let is_seen = |symbol: &&Symbol| match (symbol.kind, symbol.parent) {
        (Kind::Argument, Some(parent)) => {
            (symbols[parent].line..=symbols[parent].end).contains(&line)
        }
        (Kind::Policy | Kind::Use | Kind::Reaction | Kind::Invariant | Kind::Test, _) => false,
        _ => true,
    };
    let own = symbols.iter().filter(is_seen).map(|symbol| {
        let kind = match symbol.kind {
            Kind::Constant | Kind::Param => Item::CONSTANT,
            Kind::Table => Item::STRUCT,
            Kind::Column => Item::FIELD,
            Kind::Argument => Item::VARIABLE,
            _ => Item::FUNCTION,
        };
        item(&symbol.name, kind, &symbol.detail, &symbol.doc)
    });
    let modules = catalog
        .modules()
        .map(|(module, _)| item(module, Item::MODULE, "module of the circle", ""));
    let library = host_functions();
    let library = library.iter().filter(|function| !function.property);
    let library =
        library.map(|function| item(function.name, Item::FUNCTION, function.form, function.doc));
    let words = WORDS.iter().map(|word| item(word, Item::KEYWORD, "", ""));
    let types = TYPES
        .iter()
        .map(|word| item(word, Item::TYPE_PARAMETER, "type", ""));
    once(own.chain(modules).chain(library).chain(words).chain(types))
}

/// Each name once; the first one stands.
fn once(items: impl Iterator<Item = lsp::CompletionItem>) -> Vec<lsp::CompletionItem> {
    let mut kept: Vec<lsp::CompletionItem> = Vec::new();
    for item in items {
        if kept.iter().all(|other| other.label != item.label) {
            kept.push(item);
        }
    }
    kept
}

fn item(name: &str, kind: lsp::CompletionItemKind, detail: &str, doc: &str) -> lsp::CompletionItem {
    let doc = lsp::MarkupContent {
        kind: lsp::MarkupKind::Markdown,
        value: doc.to_owned(),
    };
    lsp::CompletionItem {
        label: name.to_owned(),
        kind: Some(kind),
        detail: (!detail.is_empty()).then(|| detail.to_owned()),
        documentation: (!doc.value.is_empty()).then_some(lsp::Documentation::MarkupContent(doc)),
        ..lsp::CompletionItem::default()
    }
}

fn name_range(text: &str, symbol: &Symbol) -> lsp::Range {
    text::range(
        text,
        symbol.line,
        symbol.character,
        symbol.name.chars().count(),
    )
}

fn symbol_page(symbols: &[Symbol], symbol: &Symbol) -> String {
    let of = symbol
        .parent
        .map(|parent| format!("of `{}`\n\n", symbols[parent].name));
    format!(
        "```3script\n{}\n```\n{}{}",
        symbol.detail,
        of.unwrap_or_default(),
        symbol.doc
    )
}

fn native_form(native: &NativeFunction) -> String {
    let params = native
        .params
        .iter()
        .map(|(name, ty)| format!("{name}: {}", type_name(ty)));
    let params: Vec<String> = params.collect();
    format!("({}) -> {}", params.join(", "), type_name(&native.returns))
}

fn native_page(module: &str, native: &NativeFunction) -> String {
    let asks = if native.ask_allowed {
        "May be asked in questions."
    } else {
        "Not in questions."
    };
    format!(
        "```3script\n{module}.{}{}\n```\n{}\n\nCosts {} operations. {asks}",
        native.name,
        native_form(native),
        native.doc,
        native.cost
    )
}

fn library_page(name: &str) -> Option<String> {
    let pages = host_functions()
        .into_iter()
        .filter(|function| function.name == name);
    let pages: Vec<String> = pages
        .map(|function| {
            format!(
                "```3script\n{}\n```\n`{}`\n\n{}\n\nCosts: {}. Example: `{}` gives `{}`",
                function.form,
                function.cases,
                function.doc,
                function.cost,
                function.example,
                function.result
            )
        })
        .collect();
    (!pages.is_empty()).then(|| pages.join("\n\n---\n\n"))
}

fn symbol_kind(kind: Kind) -> lsp::SymbolKind {
    match kind {
        Kind::Policy | Kind::Use => lsp::SymbolKind::MODULE,
        Kind::Constant | Kind::Param => lsp::SymbolKind::CONSTANT,
        Kind::Table => lsp::SymbolKind::STRUCT,
        Kind::Column => lsp::SymbolKind::FIELD,
        Kind::Argument => lsp::SymbolKind::VARIABLE,
        Kind::Reaction | Kind::Schedule => lsp::SymbolKind::EVENT,
        Kind::Invariant => lsp::SymbolKind::BOOLEAN,
        _ => lsp::SymbolKind::FUNCTION,
    }
}
