//! A language server: what editors ask about policies and files of tests while they are written.
//!
//! It keeps the text of each open file and reads it anew for every answer, because a policy is at most 64 KiB. A request that
//! it does not understand is answered with an error; nothing that an editor sends ends it but `exit`.

mod answers;
mod outline;
mod text;

use std::collections::BTreeMap;
use std::path::PathBuf;

use circle::policies::Language;
use lsp_server::{Connection, ErrorCode, Message, Notification, Request, Response};
use lsp_types as lsp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use threescript::policy::{Diagnostic, Severity};

use crate::format;
use crate::language;
use crate::problem::Problem;
use crate::testing;

/// Texts longer than this are no policies; they are kept, and nothing is said about them but that.
const MAX_TEXT_BYTES: usize = 1 << 20;

/// Talks to one editor until it says `exit` or goes away.
///
/// Errors: `lsp.protocol` if the editor does not begin as the protocol says.
pub fn serve(connection: &Connection) -> Result<(), Problem> {
    let broken = |error: lsp_server::ProtocolError| {
        Problem::new("lsp.protocol", error.to_string(), "start it from an editor")
    };
    let (id, _) = connection.initialize_start().map_err(broken)?;
    let started = json!({
        "capabilities": capabilities(),
        "serverInfo": { "name": "circle policy lsp", "version": env!("CARGO_PKG_VERSION") },
    });
    connection.initialize_finish(id, started).map_err(broken)?;
    let mut server = Server {
        language: language::standard(),
        texts: BTreeMap::new(),
    };
    for message in &connection.receiver {
        let answers = match message {
            Message::Request(request) => {
                if connection.handle_shutdown(&request).map_err(broken)? {
                    return Ok(());
                }
                vec![Message::Response(server.answer(request))]
            }
            Message::Notification(notification) => server.notice(notification),
            Message::Response(_) => Vec::new(),
        };
        for answer in answers {
            // Nobody listens any more.
            if connection.sender.send(answer).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn capabilities() -> lsp::ServerCapabilities {
    let whole_texts = lsp::TextDocumentSyncCapability::Kind(lsp::TextDocumentSyncKind::FULL);
    let triggers = [".", "\"", "!"].map(str::to_owned).to_vec();
    lsp::ServerCapabilities {
        text_document_sync: Some(whole_texts),
        hover_provider: Some(lsp::HoverProviderCapability::Simple(true)),
        completion_provider: Some(lsp::CompletionOptions {
            trigger_characters: Some(triggers),
            ..lsp::CompletionOptions::default()
        }),
        definition_provider: Some(lsp::OneOf::Left(true)),
        document_symbol_provider: Some(lsp::OneOf::Left(true)),
        document_formatting_provider: Some(lsp::OneOf::Left(true)),
        ..lsp::ServerCapabilities::default()
    }
}

struct Server {
    language: Language,
    /// The open files by their addresses.
    texts: BTreeMap<String, String>,
}

/// Why a request has no answer.
struct Refused(ErrorCode, String);

impl Server {
    fn answer(&mut self, request: Request) -> Response {
        let Request { id, method, params } = request;
        let result = match method.as_str() {
            "textDocument/hover" => self.hover(params),
            "textDocument/completion" => self.completion(params),
            "textDocument/definition" => self.definition(params),
            "textDocument/documentSymbol" => self.symbols(params),
            "textDocument/formatting" => self.formatting(params),
            _ => Err(Refused(
                ErrorCode::MethodNotFound,
                format!("there is no method {method}"),
            )),
        };
        match result {
            Ok(value) => Response {
                id,
                result: Some(value),
                error: None,
            },
            Err(Refused(code, reason)) => Response::new_err(id, code as i32, reason),
        }
    }

    /// Takes what the editor tells, and says what is wrong with the file now.
    fn notice(&mut self, notification: Notification) -> Vec<Message> {
        let Notification { method, params } = notification;
        let uri = match method.as_str() {
            "textDocument/didOpen" => {
                let Ok(opened) = read::<lsp::DidOpenTextDocumentParams>(params) else {
                    return Vec::new();
                };
                let document = opened.text_document;
                self.texts
                    .insert(document.uri.as_str().to_owned(), document.text);
                document.uri
            }
            "textDocument/didChange" => {
                let Ok(changed) = read::<lsp::DidChangeTextDocumentParams>(params) else {
                    return Vec::new();
                };
                let uri = changed.text_document.uri;
                let Some(text) = self.texts.get_mut(uri.as_str()) else {
                    return Vec::new();
                };
                if let Some(last) = changed.content_changes.into_iter().next_back() {
                    *text = last.text;
                }
                uri
            }
            "textDocument/didClose" => {
                let Ok(closed) = read::<lsp::DidCloseTextDocumentParams>(params) else {
                    return Vec::new();
                };
                let uri = closed.text_document.uri;
                self.texts.remove(uri.as_str());
                uri
            }
            _ => return Vec::new(),
        };
        let told = lsp::PublishDiagnosticsParams {
            diagnostics: self.diagnostics(uri.as_str()),
            uri,
            version: None,
        };
        let method = "textDocument/publishDiagnostics".to_owned();
        vec![Message::Notification(Notification::new(method, told))]
    }

    fn text(&self, uri: &lsp::Uri) -> Result<&str, Refused> {
        let text = self.texts.get(uri.as_str()).map(String::as_str);
        text.ok_or_else(|| {
            let reason = format!("the file {} is not open", uri.as_str());
            Refused(ErrorCode::InvalidParams, reason)
        })
    }

    fn diagnostics(&self, uri: &str) -> Vec<lsp::Diagnostic> {
        let Some(text) = self.texts.get(uri) else {
            return Vec::new();
        };
        if text.len() > MAX_TEXT_BYTES {
            let reason = format!(
                "the file has {} bytes; a policy is much shorter",
                text.len()
            );
            return vec![lsp::Diagnostic::new_simple(lsp::Range::default(), reason)];
        }
        let path = path_of(uri);
        let is_test = uri.ends_with(testing::ENDING);
        let faults = match is_test {
            false => match language::compile_text(&self.language, &path, text) {
                Ok(policy) => policy.warnings().to_vec(),
                Err(faults) => faults,
            },
            true => match testing::load_text(&path, text) {
                Ok(Ok(suite)) => suite.tests.warnings().to_vec(),
                Ok(Err(faults)) => faults,
                Err(problem) => {
                    let range = lsp::Range::default();
                    return vec![lsp::Diagnostic::new_simple(range, problem.to_string())];
                }
            },
        };
        faults.iter().map(|fault| diagnostic(text, fault)).collect()
    }

    fn hover(&self, params: Value) -> Result<Value, Refused> {
        let params: lsp::HoverParams = read(params)?;
        let at = params.text_document_position_params;
        let text = self.text(&at.text_document.uri)?;
        write(answers::hover(text, at.position, &self.language.catalog))
    }

    fn completion(&self, params: Value) -> Result<Value, Refused> {
        let params: lsp::CompletionParams = read(params)?;
        let at = params.text_document_position;
        let text = self.text(&at.text_document.uri)?;
        write(answers::completion(
            text,
            at.position,
            &self.language.catalog,
        ))
    }

    fn definition(&self, params: Value) -> Result<Value, Refused> {
        let params: lsp::GotoDefinitionParams = read(params)?;
        let at = params.text_document_position_params;
        let uri = at.text_document.uri;
        let range = answers::definition(self.text(&uri)?, at.position);
        write(range.map(|range| lsp::Location { uri, range }))
    }

    fn symbols(&self, params: Value) -> Result<Value, Refused> {
        let params: lsp::DocumentSymbolParams = read(params)?;
        write(answers::symbols(self.text(&params.text_document.uri)?))
    }

    /// The edit that brings the file into the one style; none if it cannot be read.
    fn formatting(&self, params: Value) -> Result<Value, Refused> {
        let params: lsp::DocumentFormattingParams = read(params)?;
        let text = self.text(&params.text_document.uri)?;
        let formatted = format::format(text);
        let formatted =
            formatted.map_err(|error| Refused(ErrorCode::RequestFailed, error.to_string()))?;
        let edits = match formatted == text {
            true => Vec::new(),
            false => vec![lsp::TextEdit::new(text::whole(text), formatted)],
        };
        write(edits)
    }
}

fn read<T: DeserializeOwned>(params: Value) -> Result<T, Refused> {
    serde_json::from_value(params)
        .map_err(|error| Refused(ErrorCode::InvalidParams, error.to_string()))
}

fn write(answer: impl Serialize) -> Result<Value, Refused> {
    serde_json::to_value(answer)
        .map_err(|error| Refused(ErrorCode::InternalError, error.to_string()))
}

/// The path of a `file:` address; of others, what stands in them, where no file is.
fn path_of(uri: &str) -> PathBuf {
    let encoded = uri.strip_prefix("file://").unwrap_or(uri);
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.bytes();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        let digits = (byte == b'%').then(|| [ahead.next(), ahead.next()]);
        let decoded = digits.and_then(|digits| {
            let digits: Vec<u8> = digits.into_iter().collect::<Option<_>>()?;
            u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()
        });
        match decoded {
            Some(decoded) => {
                bytes.push(decoded);
                rest = ahead;
            }
            None => bytes.push(byte),
        }
    }
    PathBuf::from(String::from_utf8_lossy(&bytes).into_owned())
}

fn diagnostic(text: &str, fault: &Diagnostic) -> lsp::Diagnostic {
    let (line, from) = (
        fault.line.saturating_sub(1),
        fault.column.saturating_sub(1) as usize,
    );
    let word = text::line(text, line).chars().skip(from);
    let length = word
        .take_while(|character| text::is_word(*character))
        .count()
        .max(1);
    let message = match fault.mend.is_empty() {
        true => fault.reason.clone(),
        false => format!("{}\n{}", fault.reason, fault.mend),
    };
    lsp::Diagnostic {
        range: text::range(text, line, from, length),
        severity: Some(match fault.severity {
            Severity::Error => lsp::DiagnosticSeverity::ERROR,
            Severity::Warning => lsp::DiagnosticSeverity::WARNING,
        }),
        code: Some(lsp::NumberOrString::String(fault.code.to_owned())),
        source: Some("3script".to_owned()),
        message,
        ..lsp::Diagnostic::default()
    }
}
