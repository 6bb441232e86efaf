//! Writes random policies that the checker takes: every type, operator and host call of the language has its chance.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::RngCore;
use std::fmt::Write;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Int,
    Decimal,
    Amount,
    Bool,
    Text,
    Duration,
    /// A list of ints.
    List,
}

use Kind::{Amount, Bool, Decimal, Duration, Int, List, Text};

const KINDS: [Kind; 7] = [Int, Decimal, Amount, Bool, Text, Duration, List];
/// What a parameter can be, with its word in a declaration.
const PARAMS: [(Kind, &str); 6] = [
    (Int, "int"),
    (Decimal, "decimal"),
    (Amount, "amount"),
    (Bool, "bool"),
    (Text, "text"),
    (Duration, "duration"),
];
const ROUNDINGS: [&str; 4] = ["floor", "half_up", "half_down", "half_even"];

/// How deep expressions and statements are nested.
const EXPRESSION_DEPTH: u32 = 3;
const STATEMENT_DEPTH: u32 = 2;

/// A policy with the name, in text. It reacts to the policy `before`, if there is one.
pub fn policy(name: &str, before: Option<&str>, rng: &mut ChaCha8Rng) -> String {
    let mut writer = Writer {
        rng,
        text: String::new(),
        variables: Vec::new(),
        functions: Vec::new(),
        columns: Vec::new(),
        fresh: 0,
        in_question: false,
    };
    writer.file(name, before);
    writer.text
}

struct Function {
    name: String,
    params: Vec<Kind>,
    result: Kind,
}

struct Writer<'a> {
    rng: &'a mut ChaCha8Rng,
    text: String,
    /// Readable variables; the flag says which may be assigned.
    variables: Vec<(String, Kind, bool)>,
    functions: Vec<Function>,
    /// Of the table `things`, beside its key.
    columns: Vec<(String, Kind)>,
    fresh: u32,
    in_question: bool,
}

impl Writer<'_> {
    fn below(&mut self, bound: u32) -> u32 {
        self.rng.next_u32() % bound
    }

    fn one<'t, T: ?Sized>(&mut self, of: &[&'t T]) -> &'t T {
        of[self.below(of.len() as u32) as usize]
    }

    fn kind(&mut self) -> Kind {
        KINDS[self.below(KINDS.len() as u32) as usize]
    }

    fn fresh(&mut self, what: &str) -> String {
        self.fresh += 1;
        format!("{what}{}", self.fresh)
    }

    fn file(&mut self, name: &str, before: Option<&str>) {
        let _ = writeln!(self.text, "policy {name} version 1");
        let step = self.below(90) + 1;
        let _ = writeln!(self.text, "const STEP = {step}");
        let _ = writeln!(self.text, "const FEE = 0.{step:02} TFT");
        let _ = writeln!(self.text, "const SHARE = {step}%");
        let _ = writeln!(self.text, "param most: int = {step} from 0 to 1000");
        self.variables.push(("most".into(), Int, false));
        self.variables.push(("STEP".into(), Int, false));
        self.variables.push(("FEE".into(), Amount, false));
        let mut columns = String::new();
        for (kind, word) in PARAMS {
            let column = self.fresh("c");
            let can_index = !matches!(kind, Decimal | Amount);
            let index = if can_index && self.below(2) == 0 {
                " index"
            } else {
                ""
            };
            let _ = write!(columns, ", {column}: {word}{index}");
            self.columns.push((column, kind));
        }
        let _ = writeln!(self.text, "table things {{ id: id key{columns} }}");
        let _ = writeln!(
            self.text,
            "table marks {{ who: account key, slot: int key, n: int index, note: text? }}"
        );
        // The first two columns are an int and a decimal.
        let _ = writeln!(
            self.text,
            "formula score(c1: int, c2: decimal): decimal = floor(c1 / 7 + c2 * most / 3, 4)"
        );
        let _ = writeln!(
            self.text,
            "formula worth(a: int, b: decimal): int = if a > {step} then half_up(a * 2 + b) else half_even(b / 3)"
        );
        if let Some(before) = before {
            let _ = writeln!(
                self.text,
                "on {before}.end() {{ marks.upsert(#{{ who: account(\"guardian1\"), slot: 9, n: block.height }}); }}"
            );
        }
        let _ = writeln!(
            self.text,
            "invariant few {{ marks.count() < {} }}",
            60 + step
        );
        for _ in 0..self.below(3) + 1 {
            self.function();
        }
        for _ in 0..4 {
            self.action();
        }
        self.text.push_str("every 1.hours tick() {\n");
        self.body();
        self.text.push_str("}\n");
        self.in_question = true;
        self.text.push_str("ask state() {\n");
        self.statements(1);
        self.text.push_str("things.count() + marks.count()\n}\n");
        self.in_question = false;
    }

    fn function(&mut self) {
        let name = self.fresh("f");
        let params: Vec<Kind> = (0..=self.below(3)).map(|_| self.kind()).collect();
        let result = self.kind();
        let outer = self.variables.len();
        let mut names = Vec::new();
        for kind in &params {
            let param = self.fresh("a");
            self.variables.push((param.clone(), *kind, false));
            names.push(param);
        }
        let _ = writeln!(self.text, "fn {name}({}) {{", names.join(", "));
        // Questions call functions, too.
        self.in_question = true;
        self.statements(1);
        self.in_question = false;
        let value = self.expression(result, EXPRESSION_DEPTH);
        let _ = writeln!(self.text, "{value}\n}}");
        self.variables.truncate(outer);
        // Only functions that stand above are called, so calls end.
        self.functions.push(Function {
            name,
            params,
            result,
        });
    }

    fn action(&mut self) {
        let name = self.fresh("act");
        let outer = self.variables.len();
        let mut params = Vec::new();
        for _ in 0..self.below(4) {
            let (kind, word) = PARAMS[self.below(PARAMS.len() as u32) as usize];
            let param = self.fresh("p");
            params.push(format!("{param}: {word}"));
            self.variables.push((param, kind, false));
        }
        let _ = writeln!(
            self.text,
            "action {name}({}) by guardian {{",
            params.join(", ")
        );
        self.body();
        self.text.push_str("}\n");
        self.variables.truncate(outer);
    }

    fn body(&mut self) {
        self.statements(STATEMENT_DEPTH);
        let value = self.fresh("data");
        let kind = self.kind();
        let shown = self.expression(kind, EXPRESSION_DEPTH);
        let _ = writeln!(self.text, "emit(\"end\", #{{ {value}: {shown} }});");
    }

    fn statements(&mut self, depth: u32) {
        let outer = self.variables.len();
        for _ in 0..self.below(4) + 2 {
            self.statement(depth);
        }
        self.variables.truncate(outer);
    }

    fn statement(&mut self, depth: u32) {
        match self.below(14) {
            0..=2 => self.declare(),
            3 => self.assign(),
            4 | 5 if depth > 0 => {
                let condition = self.expression(Bool, 2);
                let _ = writeln!(self.text, "if {condition} {{");
                self.statements(depth - 1);
                self.text.push_str("} else {\n");
                self.statements(depth - 1);
                self.text.push_str("}\n");
            }
            6 if depth > 0 => {
                let counter = self.fresh("i");
                let times = self.below(6);
                let _ = writeln!(self.text, "for {counter} in 0..{times} {{");
                self.variables.push((counter, Int, false));
                self.statements(depth - 1);
                self.text.push_str("}\n");
                self.variables.pop();
            }
            7 if depth > 0 => {
                let item = self.fresh("x");
                let list = self.expression(List, 2);
                let _ = writeln!(self.text, "for {item} in {list} {{");
                self.variables.push((item, Int, false));
                self.statements(depth - 1);
                self.text.push_str("}\n");
                self.variables.pop();
            }
            8 if depth > 0 => self.walk(depth),
            9 if !self.in_question => {
                let (kind, value) = (self.kind(), self.fresh("v"));
                let shown = self.expression(kind, 2);
                let call = self.one(&["emit(\"seen\"", "effect(\"world.do\""]);
                let _ = writeln!(self.text, "{call}, #{{ {value}: {shown} }});");
            }
            10 => {
                // Rarely false.
                let condition = self.expression(Bool, 2);
                let _ = writeln!(
                    self.text,
                    "require({condition} || block.height % 5 != 0, \"random.no\", \"no\");"
                );
            }
            11..=13 if !self.in_question => self.write(),
            _ => self.declare(),
        }
    }

    fn declare(&mut self) {
        let (kind, name) = (self.kind(), self.fresh("v"));
        let value = self.expression(kind, EXPRESSION_DEPTH);
        let _ = writeln!(self.text, "let {name} = {value};");
        self.variables.push((name, kind, true));
    }

    fn assign(&mut self) {
        let open: Vec<(String, Kind)> = self
            .variables
            .iter()
            .filter(|(_, _, open)| *open)
            .map(|(name, kind, _)| (name.clone(), *kind))
            .collect();
        if open.is_empty() {
            return self.declare();
        }
        let (name, kind) = open[self.below(open.len() as u32) as usize].clone();
        let value = self.expression(kind, EXPRESSION_DEPTH);
        let operator = match kind {
            Int | Amount | Decimal | Duration => self.one(&["=", "+=", "-="]),
            Text => self.one(&["=", "+="]),
            Bool | List => "=",
        };
        let _ = writeln!(self.text, "{name} {operator} {value};");
    }

    /// A loop over the rows that a query finds.
    fn walk(&mut self, depth: u32) {
        let row = self.fresh("row");
        let most = self.below(6) + 1;
        let at = self.below(self.columns.len() as u32) as usize;
        let (column, kind) = self.columns[at].clone();
        let query = match self.below(4) {
            0 => "things".to_owned(),
            1 => {
                let test = self.one(&["==", "!=", "<", "<=", ">", ">="]);
                let value = self.expression(kind, 1);
                format!("things.where(\"{column}\", \"{test}\", {value})")
            }
            2 => format!("things.order(\"{column}\")"),
            _ => format!("things.order_desc(\"{column}\")"),
        };
        let _ = writeln!(self.text, "for {row} in {query}.limit({most}).rows() {{");
        let outer = self.variables.len();
        for (column, kind) in self.columns.clone() {
            self.variables
                .push((format!("{row}.{column}"), kind, false));
        }
        if !self.in_question && self.below(3) == 0 {
            let entry = self.entry();
            let _ = writeln!(self.text, "things.update({row}.id, #{{ {entry} }});");
        }
        self.statements(depth - 1);
        self.text.push_str("}\n");
        self.variables.truncate(outer);
    }

    /// One column of `things` with a value.
    fn entry(&mut self) -> String {
        let at = self.below(self.columns.len() as u32) as usize;
        let (column, kind) = self.columns[at].clone();
        let value = self.expression(kind, 2);
        format!("{column}: {value}")
    }

    fn write(&mut self) {
        match self.below(7) {
            0..=2 => {
                let mut entries = Vec::new();
                for (column, kind) in self.columns.clone() {
                    let value = self.expression(kind, 2);
                    entries.push(format!("{column}: {value}"));
                }
                let _ = writeln!(
                    self.text,
                    "if things.count() < 40 {{ things.insert(#{{ {} }}); }}",
                    entries.join(", ")
                );
            }
            3 => {
                let (slot, n) = (self.expression(Int, 1), self.expression(Int, 2));
                let note = match self.below(2) {
                    0 => String::new(),
                    _ => format!(", note: {}", self.expression(Text, 1)),
                };
                let _ = writeln!(
                    self.text,
                    "marks.upsert(#{{ who: caller.account, slot: {slot} % 9, n: {n}{note} }});"
                );
            }
            4 if self.below(2) == 0 => {
                let _ = writeln!(
                    self.text,
                    "things.where(\"c1\", \"<\", {}).set(\"c2\", \"score\");",
                    self.rng.next_u32() % 9
                );
            }
            4 => {
                let slot = self.expression(Int, 1);
                let _ = writeln!(self.text, "marks.delete(caller.account, {slot} % 9);");
            }
            5 => {
                let (row, entry) = (self.fresh("row"), self.entry());
                let _ = writeln!(
                    self.text,
                    "let {row} = things.first(); if {row} != () {{ things.update({row}.id, #{{ {entry} }}); if things.count() > 20 {{ things.delete({row}.id); }} }}"
                );
            }
            _ => {
                let (to, units) = (self.below(9) + 1, self.expression(Int, 1));
                let _ = writeln!(
                    self.text,
                    "ledger.transfer(\"escrow:guardian{}\", \"payable:guardian{to}\", (abs({units} % 1000) + 1).units(\"TFT\"));",
                    self.rng.next_u32() % 9 + 1
                );
            }
        }
    }

    fn expression(&mut self, kind: Kind, depth: u32) -> String {
        let known: Vec<String> = self
            .variables
            .iter()
            .filter(|(_, known, _)| *known == kind)
            .map(|(name, _, _)| name.clone())
            .collect();
        let choice = self.below(10);
        if !known.is_empty() && (depth == 0 || choice < 3) {
            return known[self.below(known.len() as u32) as usize].clone();
        }
        if depth == 0 {
            return self.literal(kind);
        }
        if choice == 3 {
            let fitting: Vec<usize> = (0..self.functions.len())
                .filter(|at| self.functions[*at].result == kind)
                .collect();
            if !fitting.is_empty() {
                let at = fitting[self.below(fitting.len() as u32) as usize];
                let (name, params) = (
                    self.functions[at].name.clone(),
                    self.functions[at].params.clone(),
                );
                let mut given = Vec::new();
                for param in params {
                    given.push(self.expression(param, depth - 1));
                }
                return format!("{name}({})", given.join(", "));
            }
        }
        if choice == 4 {
            let condition = self.expression(Bool, depth - 1);
            let (yes, no) = (
                self.expression(kind, depth - 1),
                self.expression(kind, depth - 1),
            );
            return format!("(if {condition} {{ {yes} }} else {{ {no} }})");
        }
        self.operation(kind, depth - 1)
    }

    fn literal(&mut self, kind: Kind) -> String {
        let number = match self.below(12) {
            0 => i64::MAX,
            1 => 0,
            2 => -i64::from(self.below(1000)),
            _ => i64::from(self.below(40)),
        };
        match kind {
            Int => number.to_string(),
            Decimal => format!("dec(\"{}.{:02}\")", number % 100_000, self.below(100)),
            Amount => format!(
                "amount(\"{}.{:07} TFT\")",
                self.below(90),
                self.below(10_000_000)
            ),
            // A constant would decide an `if`, which the checker refuses.
            Bool => self
                .one(&["(block.height % 3 != 0)", "(block.height > 2)"])
                .to_owned(),
            Text => format!(
                "\"{}\"",
                self.one(&["", "a", "abc", "Ærø", "text 3", "x y"])
            ),
            Duration => format!(
                "{}.{}",
                self.below(50),
                self.one(&["seconds", "minutes", "hours", "days"])
            ),
            List => format!("[{}, {}, {}]", self.below(9), self.below(99), self.below(9)),
        }
    }

    fn operation(&mut self, kind: Kind, depth: u32) -> String {
        let rounding = ROUNDINGS[self.below(4) as usize];
        let mut of = |kind: Kind| self.expression(kind, depth);
        let (int, other_int) = (of(Int), of(Int));
        let (decimal, amount, text, list) = (of(Decimal), of(Amount), of(Text), of(List));
        let (bool, duration) = (of(Bool), of(Duration));
        let places = self.below(6);
        let options: Vec<String> = match kind {
            Int => vec![
                format!("({int} + {other_int})"),
                format!("({int} - {other_int})"),
                format!("worth({int}, {decimal})"),
                format!("({int} * {other_int})"),
                format!("({int} / (abs({other_int} % 7) + 1))"),
                format!("({int} % {other_int})"),
                format!("min({int}, {other_int})"),
                format!("max({int}, {other_int})"),
                format!("mul_div({int}, {other_int}, 7, \"{rounding}\")"),
                format!("{text}.len()"),
                format!("{list}.len()"),
                format!("{list}.sum()"),
                format!("{amount}.units"),
                format!("{duration}.hours"),
                format!("int({decimal}.round(0, \"{rounding}\"))"),
                "things.count()".into(),
                format!("marks.where(\"n\", {int}).count()"),
                "marks.sum(\"n\")".into(),
                "block.height".into(),
                "circle.guardians()".into(),
                format!("allocate({int}, [1, 2, 3]).first()"),
            ],
            Decimal => vec![
                format!("({decimal} + {int})"),
                format!("({decimal} - dec(\"0.5\"))"),
                format!("score({int}, {decimal})"),
                "things.total(\"score\")".into(),
                format!("({decimal} * dec(\"1.5\"))"),
                format!("{int}.dec().div(3, {places}, \"{rounding}\")"),
                format!("{decimal}.round({places}, \"{rounding}\")"),
                format!("{amount}.number"),
                format!("abs({decimal})"),
                "SHARE.number".into(),
            ],
            Amount => vec![
                format!("({amount} + FEE)"),
                format!("({amount} - FEE)"),
                format!("{amount}.times(SHARE, \"{rounding}\")"),
                format!("{amount}.times({decimal}, \"{rounding}\")"),
                format!("mul_div({amount}, {int}, 3, \"{rounding}\")"),
                format!("({int} % 1000).units(\"TFT\")"),
                format!("(abs({int} % 100)).of(\"TFT\")"),
                format!("allocate({amount}, [1, 1, 1]).at(1)"),
                format!("max({amount}, FEE)"),
                format!("ledger.balance(\"escrow:guardian{}\", \"TFT\")", places + 1),
            ],
            Bool => vec![
                format!("({int} < {other_int})"),
                format!("({int} == {other_int})"),
                format!("({amount} >= FEE)"),
                format!("({text} != \"abc\")"),
                format!("({text} < \"b\")"),
                format!("({bool} && {int} > 3)"),
                format!("({bool} || {decimal} > 1)"),
                format!("(!{bool})"),
                format!("({int} in {list})"),
                format!("(\"a\" in {text})"),
                format!("({duration} > 1.days)"),
                format!("things.exists({places})"),
                format!("(marks.find(caller.account, {places}) == ())"),
                "caller.has(\"guardian\")".into(),
            ],
            Text => vec![
                format!("({text} + \"-\")"),
                format!("`${{{int}}} and ${{{text}}}`"),
                format!("{text}.to_upper()"),
                format!("{text}.trim()"),
                format!("{text}.replace(\"a\", \"bc\")"),
                format!("text({int})"),
                format!("text({amount})"),
                format!("{text}.split(\" \").join(\"_\")"),
                format!("({text} + \"xyz\").sub(0, 3)"),
                "(\"\" + caller.account)".into(),
            ],
            Duration => vec![
                format!("({duration} + 1.hours)"),
                format!("({duration} * {places})"),
                format!("({int} % 1000).minutes"),
                "(block.time - time(\"2026-01-01\"))".into(),
            ],
            List => vec![
                format!("({list} + [{int}])"),
                format!("{list}.sorted()"),
                format!("{list}.reversed()"),
                format!("[{int}, {other_int}]"),
                format!("allocate(100, [{places}, 1, 2])"),
            ],
        };
        let at = self.below(options.len() as u32) as usize;
        options[at].clone()
    }
}
