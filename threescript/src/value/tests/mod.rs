mod bytes;
mod forms;
mod properties;

use super::*;

fn decimal(text: &str) -> Decimal {
    Decimal::parse(text).unwrap()
}

fn tft(units: i64) -> Amount {
    Amount::new(units, AssetCode::new("TFT").unwrap())
}

fn bytes_of(value: &Value) -> Vec<u8> {
    borsh::to_vec(value).unwrap()
}

fn shown<T: ToString>(result: Result<T, ValueError>) -> String {
    match result {
        Ok(value) => value.to_string(),
        Err(error) => format!("{}: {error}", error.code()),
    }
}
