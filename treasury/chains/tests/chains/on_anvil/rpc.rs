//! What networks and servers do wrong, in JSON-RPC: which of its methods a fault meets, and lies about what they answer.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::proxy::{Asked, Fault, Proxy, lie};

/// A proxy to a node on which these methods go wrong. A method without a fault is answered by the node.
pub async fn broken(node: &str, faults: Vec<(&'static str, Fault)>) -> Proxy {
    let proxy = Proxy::start(node).await;
    break_only(&proxy, faults);
    proxy
}

/// From now on these methods go wrong, and no others.
pub fn break_only(proxy: &Proxy, faults: Vec<(&'static str, Fault)>) {
    proxy.mend();
    for (method, fault) in faults {
        proxy.break_when(move |asked| request(asked)["method"] == method, fault);
    }
}

/// What is asked: `method` and `params`.
fn request(asked: &Asked) -> Value {
    serde_json::from_slice(&asked.body).unwrap_or_default()
}

/// Says this, whatever the node says.
pub fn say(result: Value) -> Fault {
    change(move |_| result.clone())
}

/// Says this, and the node never hears of it.
pub fn pretend(result: Value) -> Fault {
    Fault::Invent(Arc::new(move |asked, status, answer| {
        let id = request(asked)["id"].take();
        *answer = json!({ "jsonrpc": "2.0", "id": id, "result": result });
        status
    }))
}

/// Changes what the node says.
pub fn change(change: impl Fn(Value) -> Value + Send + Sync + 'static) -> Fault {
    lie(move |_, _, answer| {
        let id = answer["id"].take();
        let result = change(answer["result"].take());
        *answer = json!({ "jsonrpc": "2.0", "id": id, "result": result });
        200
    })
}

/// Knows no block after this one.
pub fn behind(head: u64) -> Vec<(&'static str, Fault)> {
    let block = lie(move |asked, status, answer| {
        let number = request(asked)["params"][0].clone();
        if number_of(&number).is_some_and(|number| number > head) {
            answer["result"] = Value::Null;
        }
        status
    });
    let newest = say(json!(format!("0x{head:x}")));
    vec![("eth_blockNumber", newest), ("eth_getBlockByNumber", block)]
}

/// Refuses to give the logs of more blocks than this at once.
pub fn narrow(blocks: u64) -> Fault {
    lie(move |asked, status, answer| {
        let range = &request(asked)["params"][0];
        let (from, to) = (number_of(&range["fromBlock"]), number_of(&range["toBlock"]));
        let (from, to) = (from.expect("a number"), to.expect("a number"));
        if to - from >= blocks {
            let error = json!({ "code": -32602, "message": "too many blocks at once" });
            *answer = json!({ "jsonrpc": "2.0", "id": answer["id"], "error": error });
        }
        status
    })
}

/// A number as JSON-RPC writes it; `None` for names such as `latest`.
pub fn number_of(value: &Value) -> Option<u64> {
    let digits = value.as_str()?.strip_prefix("0x")?;
    u64::from_str_radix(digits, 16).ok()
}
