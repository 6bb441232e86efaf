use std::fs;
use std::path::Path;

use circle::digest::Hash;
use circle::iou::verify_signatures;
use num_rational::BigRational;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;

const HEADER: &str =
    "farmer,consumer,contract,from,to,cru,mru_gib,sru_gib,hru_gib,ipv4,nru_bytes\n";

/// A directory with a usage file in it, and what is to be made of it.
struct Desk {
    directory: tempfile::TempDir,
    request: Request,
}

impl Desk {
    fn new(rows: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("usage.csv"), format!("{HEADER}{rows}")).unwrap();
        let request = Request {
            usage: path("usage.csv"),
            price_musd: 50,
            keys: path("keys"),
            out: path("batch.iou"),
            circle: CircleId::of_name("devnet"),
            asset: AssetCode::new("TFT").unwrap(),
            sequence_start: 1,
            skip_bad: false,
        };
        Self { directory, request }
    }

    fn make(&self) -> Result<Made, MakeError> {
        make(&self.request, &|_, _, _| ())
    }

    /// The names of all files, but for the usage.
    fn files(&self) -> Vec<String> {
        let list = |path: &Path| -> Vec<String> {
            let entries = fs::read_dir(path).into_iter().flatten();
            entries
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect()
        };
        let mut names = list(self.directory.path());
        names.extend(list(&self.request.keys));
        names.retain(|name| name != "usage.csv" && name != "keys");
        names.sort();
        names
    }
}

fn row(contract: &str, hours: std::ops::Range<u32>) -> String {
    let time = |hour: u32| format!("2026-01-{:02}T{:02}:00:00Z", 1 + hour / 24, hour % 24);
    format!(
        "freefarm,alice,{contract},{},{},2,2,15,0,0,0\n",
        time(hours.start),
        time(hours.end)
    )
}

/// A decimal text as a fraction; how the engine reads decimals is not used.
fn fraction(text: &str) -> BigRational {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let denominator = format!("1{}", "0".repeat(decimals.len()));
    format!("{whole}{decimals}/{denominator}").parse().unwrap()
}

fn whole(number: i64) -> BigRational {
    BigRational::from_integer(number.into())
}

/// To the nearest, a half goes up.
fn rounded(number: &BigRational) -> BigRational {
    (number + whole(1) / whole(2)).floor()
}

/// The amount of a row in units of TFT, straight from the published formulas.
fn expected(fields: &[String], seconds: i64, price_musd: i64) -> String {
    let [cru, mru, sru, hru, ips, bytes] = [0, 1, 2, 3, 4, 5].map(|at| fraction(&fields[at]));
    let max = |a: BigRational, b: BigRational| if a > b { a } else { b };
    let quarter = |number: &BigRational| number / whole(4);
    let balanced = max(quarter(&mru), &cru / whole(2));
    let by_cores = max(&mru / whole(8), cru.clone());
    let by_memory = max(&mru / whole(2), quarter(&cru));
    let cu = [balanced, by_cores, by_memory].into_iter().min().unwrap();
    let su = hru / whole(1200) + sru / whole(200);
    let hourly = cu * whole(100_000) + su * whole(50_000) + ips * whole(40_000);
    let contract = rounded(&(hourly / whole(3600) * whole(seconds)));
    let network =
        rounded(&(bytes / whole(1_000_000_000) * whole(15_000) / whole(3600) * whole(seconds)));
    rounded(&((contract + network) / whole(price_musd * 10_000) * whole(10_000_000))).to_string()
}

/// A number as people write it: often small and whole, sometimes with as many decimals as there can be.
fn random_size(random: &mut StdRng) -> String {
    let decimals = [0, 0, 0, 1, 2, 3, 9, 18][random.gen_range(0..8)];
    let bound = [10i64, 100, 5000][random.gen_range(0..3)];
    let number = random.gen_range(0..bound);
    match decimals {
        0 => number.to_string(),
        _ => format!(
            "{number}.{:0decimals$}",
            random.gen_range(0..10u64.pow(decimals as u32))
        ),
    }
}

#[test]
fn amounts_agree_to_the_unit_with_exact_fractions() {
    for seed in 0..40 {
        let mut random = StdRng::seed_from_u64(seed);
        let price_musd = [1, 7, 50, 999, 123_457][random.gen_range(0..5)];
        let count = random.gen_range(1..200);
        let mut text = String::new();
        let mut amounts = Vec::new();
        for number in 0..count {
            let mut sizes: Vec<String> = (0..4).map(|_| random_size(&mut random)).collect();
            sizes.push(random.gen_range(0..4).to_string());
            let bytes = [0i64, 1_000, 100_000_000, 1_000_000_000_000][random.gen_range(0..4)];
            sizes.push(random.gen_range(0..=bytes).to_string());
            let seconds = [1, 59, 3600, 86_400, 2_592_000, random.gen_range(1..90_000)]
                [random.gen_range(0..6)];
            let from = random.gen_range(0..2_000_000_000);
            let time = |seconds| crate::usage::render_utc(seconds).unwrap();
            let (farmer, consumer) = (random.gen_range(0..7), random.gen_range(0..9));
            let (from, to) = (time(from), time(from + seconds));
            text += &format!(
                "f{farmer},c{consumer},n{number},{from},{to},{}\n",
                sizes.join(",")
            );
            amounts.push(expected(&sizes, seconds, price_musd));
        }
        let mut desk = Desk::new(&text);
        desk.request.price_musd = price_musd;
        let made = desk
            .make()
            .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let file = iou_file::read(&desk.request.out).unwrap();
        let ious: Vec<&SignedIou> = file.signed().collect();
        let got: Vec<String> = ious
            .iter()
            .map(|signed| signed.iou.amount.to_string())
            .collect();
        assert_eq!(got, amounts, "seed {seed}");
        assert_eq!((made.ious, file.malformed().count()), (count, 0));
        assert!(
            verify_signatures(&ious).into_iter().all(|good| good),
            "seed {seed}"
        );
        let total: i128 = ious
            .iter()
            .map(|signed| i128::from(signed.iou.amount))
            .sum();
        assert_eq!(made.total, iou_file::render_amount(total));
        let mut ids: Vec<Hash> = ious.iter().map(|signed| signed.iou.id()).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), count, "every IOU has its own id");
    }
}

#[test]
fn what_was_used_is_in_the_iou_so_that_anybody_can_compute_its_amount() {
    let desk = Desk::new(
        "freefarm,alice,node-1,2026-01-01T00:00:00Z,2026-01-01T01:00:00Z,2,2.50,15,0,1,7\n",
    );
    desk.make().unwrap();
    let file = iou_file::read(&desk.request.out).unwrap();
    let iou = &file.signed().next().unwrap().iou;
    let usage: Vec<String> = iou
        .usage
        .iter()
        .map(|(unit, amount)| format!("{unit} {amount}"))
        .collect();
    assert_eq!(
        usage,
        [
            "cru 2",
            "ipv4 1",
            "mru_gib 2.5",
            "nru_bytes 7",
            "sru_gib 15"
        ]
    );
    assert_eq!(
        iou.price,
        Price {
            policy: Billing::shipped().policy().hash(),
            tft_musd: 50
        }
    );
    // 2.5 GiB and 2 cores are 1 CU; with 0.075 SU and an address 143750 units USD an hour; at 50 mUSD 2875000 units of TFT.
    assert_eq!((iou.amount, iou.to - iou.from), (2_875_000, 3600));
}

#[test]
fn nothing_is_made_of_a_file_with_a_bad_row_unless_it_is_to_be_skipped() {
    let bad = "freefarm,bob,n,2026-01-01T00:00:00Z,2026-01-02T00:00:00Z,two,2,15,0,0,-1\n";
    let huge = format!(
        "freefarm,bob,n,2026-01-01T00:00:00Z,2026-01-02T00:00:00Z,2,2,15,0,{},0\n",
        i64::MAX
    );
    let mut desk = Desk::new(&format!("{}{bad}{huge}{}", row("n", 0..1), row("n", 1..2)));
    let problems = match desk.make() {
        Err(MakeError::Rows { rows: 4, problems }) => problems,
        other => panic!("{other:?}"),
    };
    let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
    expect_test::expect![[r#"
        3:58: cru: `two` is not a decimal; write digits with at most one point, as in 12.50
        3:71: nru_bytes: -1 is negative; write 0 or more
        4:1: the row has no price: in the formula `capacity_usd`: a whole number does not fit into its type [overflow]; use sizes, traffic and a window that an invoice could show"#]]
    .assert_eq(&shown.join("\n"));
    assert!(desk.files().is_empty(), "{:?}", desk.files());

    desk.request.skip_bad = true;
    let made = desk.make().unwrap();
    assert_eq!((made.ious, made.skipped), (2, problems));
    // Only the accounts of good rows have keys, and sequences count good rows.
    assert_eq!(desk.files(), ["alice.key", "batch.iou", "freefarm.key"]);
    let file = iou_file::read(&desk.request.out).unwrap();
    assert_eq!(
        file.signed()
            .map(|signed| signed.iou.sequence)
            .collect::<Vec<_>>(),
        [1, 2]
    );
}

#[test]
fn what_cannot_be_made_is_said_and_leaves_nothing_behind() {
    let good = row("n", 0..1);
    let check = |rows: &str, change: &dyn Fn(&mut Request), expected: &str| {
        let mut desk = Desk::new(rows);
        change(&mut desk.request);
        let error = desk.make().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(desk.files().is_empty(), "{:?}", desk.files());
    };
    check(&good, &|request| request.price_musd = 0, "not above 0");
    check(&good, &|request| request.price_musd = -50, "-50 mUSD");
    check(&good, &|request| request.sequence_start = 0, "starts at 1");
    check(
        &good,
        &|request| request.usage.set_file_name("missing.csv"),
        "missing.csv",
    );
    check(
        &good,
        &|request| request.out.push("batch.iou"),
        "no such directory",
    );
    check(
        &good,
        &|request| assert!(request.out.pop()),
        "this is a directory",
    );
    check("", &|_| (), "no rows");
    check("bad\n", &|request| request.skip_bad = true, "no rows");
}

#[test]
fn sequences_rise_per_pair_in_the_order_of_the_file() {
    let rows = [
        row("a", 5..6),
        row("a", 0..1).replace("alice", "bob"),
        row("b", 3..4),
        row("a", 1..2).replace("alice", "bob"),
        row("c", 2..3),
    ];
    let mut desk = Desk::new(&rows.concat());
    desk.request.sequence_start = 10;
    desk.make().unwrap();
    let file = iou_file::read(&desk.request.out).unwrap();
    assert_eq!(
        file.signed()
            .map(|signed| signed.iou.sequence)
            .collect::<Vec<_>>(),
        [10, 10, 11, 11, 12]
    );
    desk.request.sequence_start = u64::MAX;
    assert!(matches!(desk.make(), Err(MakeError::Sequence)));
}

#[test]
fn overlapping_windows_are_made_and_named() {
    let rows = [
        row("a", 0..4),
        row("a", 4..6),
        row("b", 2..3),
        row("a", 3..5),
        row("a", 6..9),
        row("a", 7..8),
    ];
    let made = Desk::new(&rows.concat()).make().unwrap();
    let named: Vec<(u64, u64)> = made
        .overlapping
        .iter()
        .map(|overlap| (overlap.line, overlap.with_line))
        .collect();
    // Line 5 overlaps lines 2 and 3, line 7 overlaps line 6.
    assert_eq!((made.ious, named), (6, vec![(5, 3), (7, 6)]));
}

#[test]
fn keys_are_kept_and_the_batch_is_replaced() {
    let desk = Desk::new(&row("a", 0..1));
    let first = desk.make().unwrap();
    assert_eq!(first.keys_made, ["alice", "freefarm"]);
    let before = fs::read(&desk.request.out).unwrap();
    let second = desk.make().unwrap();
    assert!(second.keys_made.is_empty());
    assert_eq!(
        fs::read(&desk.request.out).unwrap(),
        before,
        "the same usage and keys give the same batch"
    );
    assert_eq!(
        desk.files(),
        ["alice.key", "batch.iou", "freefarm.key"],
        "no temporary file is left"
    );
}
