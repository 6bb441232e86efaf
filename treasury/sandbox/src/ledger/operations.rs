//! What each operation does, and how it fails.

use stellar_xdr as xdr;
use xdr::{OperationBody, OperationResult, OperationResultTr as Tr, WriteXdr};

use sha2::{Digest, Sha256};

use super::account::{
    Account, Id, Issued, MAX_SIGNERS, Trustline, account_id, is_valid, issued, key, unmuxed,
};
use super::{ClaimableBalance, Ledger};

/// Where an operation stands; ids of what it makes follow from it.
pub struct Place {
    /// The account whose sequence number the transaction used up.
    pub source: Id,
    /// That number.
    pub sequence: i64,
    /// The operation's place in the transaction, from 0.
    pub number: u32,
}

type Outcome = Result<OperationResult, OperationResult>;

fn inner(result: Tr) -> OperationResult {
    OperationResult::OpInner(result)
}

fn payment(result: xdr::PaymentResult) -> OperationResult {
    inner(Tr::Payment(result))
}

/// The result of success, where it says nothing more.
pub fn success(body: &OperationBody) -> OperationResult {
    match body {
        OperationBody::CreateAccount(_) => {
            inner(Tr::CreateAccount(xdr::CreateAccountResult::Success))
        }
        OperationBody::Payment(_) => payment(xdr::PaymentResult::Success),
        OperationBody::SetOptions(_) => inner(Tr::SetOptions(xdr::SetOptionsResult::Success)),
        OperationBody::ChangeTrust(_) => inner(Tr::ChangeTrust(xdr::ChangeTrustResult::Success)),
        OperationBody::SetTrustLineFlags(_) => {
            inner(Tr::SetTrustLineFlags(xdr::SetTrustLineFlagsResult::Success))
        }
        OperationBody::BumpSequence(_) => inner(Tr::BumpSequence(xdr::BumpSequenceResult::Success)),
        OperationBody::ManageData(_) => inner(Tr::ManageData(xdr::ManageDataResult::Success)),
        OperationBody::ClaimClaimableBalance(_) => inner(Tr::ClaimClaimableBalance(
            xdr::ClaimClaimableBalanceResult::Success,
        )),
        OperationBody::CreateClaimableBalance(_) => inner(Tr::CreateClaimableBalance(
            xdr::CreateClaimableBalanceResult::Success(
                xdr::ClaimableBalanceId::ClaimableBalanceIdTypeV0(xdr::Hash([0; 32])),
            ),
        )),
        OperationBody::AccountMerge(_) => {
            inner(Tr::AccountMerge(xdr::AccountMergeResult::Success(0)))
        }
        _ => OperationResult::OpNotSupported,
    }
}

/// What is wrong with an operation whatever the accounts hold.
pub fn malformed(body: &OperationBody, source: &Id) -> Option<OperationResult> {
    match body {
        OperationBody::CreateAccount(operation) => {
            let is_sound =
                operation.starting_balance >= 0 && key(&operation.destination) != *source;
            (!is_sound).then(|| inner(Tr::CreateAccount(xdr::CreateAccountResult::Malformed)))
        }
        OperationBody::Payment(operation) => {
            let is_sound = operation.amount > 0 && is_valid(&operation.asset);
            (!is_sound).then(|| payment(xdr::PaymentResult::Malformed))
        }
        OperationBody::ChangeTrust(operation) => {
            let fault = match line(&operation.line) {
                None => Some(xdr::ChangeTrustResult::Malformed),
                Some(asset) if asset.1 == *source => Some(xdr::ChangeTrustResult::SelfNotAllowed),
                Some(_) if operation.limit < 0 => Some(xdr::ChangeTrustResult::Malformed),
                Some(_) => None,
            };
            fault.map(|fault| inner(Tr::ChangeTrust(fault)))
        }
        OperationBody::CreateClaimableBalance(operation) => {
            let mut names: Vec<Id> = operation.claimants.iter().map(claimant).collect();
            names.sort_unstable();
            let count = names.len();
            names.dedup();
            let is_sound = operation.amount > 0
                && is_valid(&operation.asset)
                && (1..=10).contains(&count)
                && names.len() == count
                && operation.claimants.iter().all(|one| {
                    let xdr::Claimant::ClaimantTypeV0(one) = one;
                    is_predicate(&one.predicate, 4)
                });
            (!is_sound).then(|| {
                inner(Tr::CreateClaimableBalance(
                    xdr::CreateClaimableBalanceResult::Malformed,
                ))
            })
        }
        OperationBody::SetOptions(operation) => {
            set_options_fault(operation, source).map(|fault| inner(Tr::SetOptions(fault)))
        }
        OperationBody::BumpSequence(operation) => (operation.bump_to.0 < 0)
            .then(|| inner(Tr::BumpSequence(xdr::BumpSequenceResult::BadSeq))),
        OperationBody::ManageData(operation) => {
            let name = operation.data_name.to_utf8_string_lossy();
            (name.is_empty()).then(|| inner(Tr::ManageData(xdr::ManageDataResult::InvalidName)))
        }
        OperationBody::SetTrustLineFlags(operation) => {
            let issuer = issued(&operation.asset).map(|(_, issuer)| issuer);
            let is_sound = issuer == Some(*source)
                && key(&operation.trustor) != *source
                && operation.set_flags & operation.clear_flags == 0
                && (operation.set_flags | operation.clear_flags) <= 7;
            (!is_sound).then(|| {
                inner(Tr::SetTrustLineFlags(
                    xdr::SetTrustLineFlagsResult::Malformed,
                ))
            })
        }
        OperationBody::AccountMerge(into) => (unmuxed(into) == *source)
            .then(|| inner(Tr::AccountMerge(xdr::AccountMergeResult::Malformed))),
        OperationBody::ClaimClaimableBalance(_) => None,
        _ => Some(OperationResult::OpNotSupported),
    }
}

fn set_options_fault(operation: &xdr::SetOptionsOp, source: &Id) -> Option<xdr::SetOptionsResult> {
    let flags = [operation.set_flags, operation.clear_flags];
    let [set, clear] = flags.map(Option::unwrap_or_default);
    if set & !15 != 0 || clear & !15 != 0 {
        return Some(xdr::SetOptionsResult::UnknownFlag);
    }
    if set & clear != 0 {
        return Some(xdr::SetOptionsResult::BadFlags);
    }
    let weights = [
        operation.master_weight,
        operation.low_threshold,
        operation.med_threshold,
        operation.high_threshold,
    ];
    if weights.into_iter().flatten().any(|weight| weight > 255) {
        return Some(xdr::SetOptionsResult::ThresholdOutOfRange);
    }
    let signer = operation.signer.as_ref()?;
    let is_self = signer.key == xdr::SignerKey::Ed25519(xdr::Uint256(*source));
    let is_payload = matches!(signer.key, xdr::SignerKey::Ed25519SignedPayload(_));
    (is_self || is_payload || signer.weight > 255).then_some(xdr::SetOptionsResult::BadSigner)
}

/// The asset of a trustline; pools are not dealt in here.
fn line(line: &xdr::ChangeTrustAsset) -> Option<Issued> {
    let asset = match line {
        xdr::ChangeTrustAsset::CreditAlphanum4(asset) => xdr::Asset::CreditAlphanum4(asset.clone()),
        xdr::ChangeTrustAsset::CreditAlphanum12(asset) => {
            xdr::Asset::CreditAlphanum12(asset.clone())
        }
        xdr::ChangeTrustAsset::Native | xdr::ChangeTrustAsset::PoolShare(_) => return None,
    };
    is_valid(&asset).then(|| issued(&asset)).flatten()
}

fn claimant(claimant: &xdr::Claimant) -> Id {
    let xdr::Claimant::ClaimantTypeV0(claimant) = claimant;
    key(&claimant.destination)
}

fn is_predicate(predicate: &xdr::ClaimPredicate, depth: u32) -> bool {
    use xdr::ClaimPredicate as P;
    depth > 0
        && match predicate {
            P::Unconditional => true,
            P::And(both) | P::Or(both) => {
                both.len() == 2 && both.iter().all(|one| is_predicate(one, depth - 1))
            }
            P::Not(one) => one.as_ref().is_some_and(|one| is_predicate(one, depth - 1)),
            P::BeforeAbsoluteTime(time) | P::BeforeRelativeTime(time) => *time >= 0,
        }
}

/// Relative times of a predicate, made absolute.
fn absolute(predicate: &xdr::ClaimPredicate, now: i64) -> xdr::ClaimPredicate {
    use xdr::ClaimPredicate as P;
    let all = |both: &xdr::VecM<P, 2>| {
        let both: Vec<P> = both.iter().map(|one| absolute(one, now)).collect();
        both.try_into().unwrap_or_default()
    };
    match predicate {
        P::And(both) => P::And(all(both)),
        P::Or(both) => P::Or(all(both)),
        P::Not(one) => P::Not(one.as_ref().map(|one| Box::new(absolute(one, now)))),
        P::BeforeRelativeTime(time) => P::BeforeAbsoluteTime(time.saturating_add(now)),
        other => other.clone(),
    }
}

fn holds(predicate: &xdr::ClaimPredicate, now: i64) -> bool {
    use xdr::ClaimPredicate as P;
    match predicate {
        P::Unconditional => true,
        P::And(both) => both.iter().all(|one| holds(one, now)),
        P::Or(both) => both.iter().any(|one| holds(one, now)),
        P::Not(one) => one.as_ref().is_none_or(|one| !holds(one, now)),
        P::BeforeAbsoluteTime(time) | P::BeforeRelativeTime(time) => now < *time,
    }
}

impl Ledger {
    /// Applies one operation of `source`, which exists. What fails has changed nothing that its transaction does not undo.
    #[allow(
        clippy::result_large_err,
        reason = "both sides are results of the protocol, of one size"
    )]
    pub(super) fn operate(&mut self, body: &OperationBody, source: Id, place: &Place) -> Outcome {
        if let Some(fault) = malformed(body, &source) {
            return Err(fault);
        }
        match body {
            OperationBody::CreateAccount(operation) => self
                .create_account(operation, source)
                .map_err(|fault| inner(Tr::CreateAccount(fault)))?,
            OperationBody::Payment(operation) => {
                let to = unmuxed(&operation.destination);
                self.pay(source, to, &operation.asset, operation.amount)
                    .map_err(payment)?;
            }
            OperationBody::ChangeTrust(operation) => self
                .change_trust(operation, source)
                .map_err(|fault| inner(Tr::ChangeTrust(fault)))?,
            OperationBody::SetTrustLineFlags(operation) => self
                .set_trustline_flags(operation, source)
                .map_err(|fault| inner(Tr::SetTrustLineFlags(fault)))?,
            OperationBody::SetOptions(operation) => self
                .set_options(operation, source)
                .map_err(|fault| inner(Tr::SetOptions(fault)))?,
            OperationBody::BumpSequence(operation) => {
                let account = self.touch(source);
                account.sequence = account.sequence.max(operation.bump_to.0);
            }
            OperationBody::ManageData(operation) => self
                .manage_data(operation, source)
                .map_err(|fault| inner(Tr::ManageData(fault)))?,
            OperationBody::CreateClaimableBalance(operation) => {
                let id = self
                    .create_claimable(operation, source, place)
                    .map_err(|fault| inner(Tr::CreateClaimableBalance(fault)))?;
                let id = xdr::ClaimableBalanceId::ClaimableBalanceIdTypeV0(xdr::Hash(id));
                return Ok(inner(Tr::CreateClaimableBalance(
                    xdr::CreateClaimableBalanceResult::Success(id),
                )));
            }
            OperationBody::ClaimClaimableBalance(operation) => self
                .claim(operation, source)
                .map_err(|fault| inner(Tr::ClaimClaimableBalance(fault)))?,
            OperationBody::AccountMerge(into) => {
                let moved = self
                    .merge(source, unmuxed(into))
                    .map_err(|fault| inner(Tr::AccountMerge(fault)))?;
                return Ok(inner(Tr::AccountMerge(xdr::AccountMergeResult::Success(
                    moved,
                ))));
            }
            _ => return Err(OperationResult::OpNotSupported),
        }
        Ok(success(body))
    }

    /// An account that is about to be changed, and which its transaction has found to exist.
    fn touch(&mut self, id: Id) -> &mut Account {
        let (ledger, time) = (self.sequence, self.time);
        let account = self
            .accounts
            .entry(id)
            .or_insert_with(|| Account::new(0, ledger, time));
        account.modified = (ledger, time);
        account
    }

    fn create_account(
        &mut self,
        operation: &xdr::CreateAccountOp,
        source: Id,
    ) -> Result<(), xdr::CreateAccountResult> {
        use xdr::CreateAccountResult as R;
        let id = key(&operation.destination);
        if self.accounts.contains_key(&id) {
            return Err(R::AlreadyExist);
        }
        let account = Account::new(operation.starting_balance, self.sequence, self.time);
        if account.balance < account.reserve(0) {
            return Err(R::LowReserve);
        }
        if self.touch(source).available() < operation.starting_balance {
            return Err(R::Underfunded);
        }
        self.touch(source).balance -= operation.starting_balance;
        self.accounts.insert(id, account);
        Ok(())
    }

    fn pay(
        &mut self,
        from: Id,
        to: Id,
        asset: &xdr::Asset,
        amount: i64,
    ) -> Result<(), xdr::PaymentResult> {
        use xdr::PaymentResult as R;
        if !self.accounts.contains_key(&to) {
            return Err(R::NoDestination);
        }
        self.take(from, asset, amount)
            .map_err(|fault| match fault {
                Lacks::Funds => R::Underfunded,
                Lacks::Trust => R::SrcNoTrust,
                Lacks::Consent | Lacks::Room => R::SrcNotAuthorized,
            })?;
        self.give(to, asset, amount).map_err(|fault| match fault {
            Lacks::Funds | Lacks::Room => R::LineFull,
            Lacks::Trust => R::NoTrust,
            Lacks::Consent => R::NotAuthorized,
        })
    }

    /// Takes an amount out of a balance. An issuer makes what it pays.
    fn take(&mut self, from: Id, asset: &xdr::Asset, amount: i64) -> Result<(), Lacks> {
        let ledger = self.sequence;
        let account = self.touch(from);
        let Some(asset) = issued(asset) else {
            if account.available() < amount {
                return Err(Lacks::Funds);
            }
            account.balance -= amount;
            return Ok(());
        };
        if asset.1 == from {
            return Ok(());
        }
        let line = account.trustlines.get_mut(&asset).ok_or(Lacks::Trust)?;
        if !line.authorized {
            return Err(Lacks::Consent);
        }
        if line.balance < amount {
            return Err(Lacks::Funds);
        }
        line.balance -= amount;
        line.modified = ledger;
        Ok(())
    }

    /// Adds an amount to a balance. What an issuer receives is gone.
    fn give(&mut self, to: Id, asset: &xdr::Asset, amount: i64) -> Result<(), Lacks> {
        let ledger = self.sequence;
        let account = self.touch(to);
        let Some(asset) = issued(asset) else {
            account.balance = account.balance.checked_add(amount).ok_or(Lacks::Room)?;
            return Ok(());
        };
        if asset.1 == to {
            return Ok(());
        }
        let line = account.trustlines.get_mut(&asset).ok_or(Lacks::Trust)?;
        if !line.authorized {
            return Err(Lacks::Consent);
        }
        let sum = line.balance.checked_add(amount).ok_or(Lacks::Room)?;
        if sum > line.limit {
            return Err(Lacks::Room);
        }
        line.balance = sum;
        line.modified = ledger;
        Ok(())
    }

    fn change_trust(
        &mut self,
        operation: &xdr::ChangeTrustOp,
        source: Id,
    ) -> Result<(), xdr::ChangeTrustResult> {
        use xdr::ChangeTrustResult as R;
        let asset = line(&operation.line).ok_or(R::Malformed)?;
        let asks_consent = match self.accounts.get(&asset.1) {
            Some(issuer) => issuer.authorization_required(),
            None => return Err(R::NoIssuer),
        };
        let (limit, ledger) = (operation.limit, self.sequence);
        let account = self.touch(source);
        if let Some(line) = account.trustlines.get_mut(&asset) {
            if limit < line.balance {
                return Err(R::InvalidLimit);
            }
            if limit == 0 {
                account.trustlines.remove(&asset);
            } else {
                line.limit = limit;
                line.modified = ledger;
            }
            return Ok(());
        }
        if limit == 0 {
            return Err(R::InvalidLimit);
        }
        if !account.can_keep(1) {
            return Err(R::LowReserve);
        }
        account.trustlines.insert(
            asset,
            Trustline {
                balance: 0,
                limit,
                authorized: !asks_consent,
                modified: ledger,
            },
        );
        Ok(())
    }

    fn set_trustline_flags(
        &mut self,
        operation: &xdr::SetTrustLineFlagsOp,
        source: Id,
    ) -> Result<(), xdr::SetTrustLineFlagsResult> {
        use xdr::SetTrustLineFlagsResult as R;
        let asset = issued(&operation.asset).ok_or(R::Malformed)?;
        let revocable = xdr::AccountFlags::RevocableFlag as u32;
        let may_revoke = self.touch(source).flags & revocable != 0;
        let ledger = self.sequence;
        let trustor = key(&operation.trustor);
        let account = self.accounts.get_mut(&trustor).ok_or(R::NoTrustLine)?;
        let line = account.trustlines.get_mut(&asset).ok_or(R::NoTrustLine)?;
        if operation.clear_flags & 1 != 0 && !may_revoke {
            return Err(R::CantRevoke);
        }
        line.authorized =
            (line.authorized || operation.set_flags & 1 != 0) && operation.clear_flags & 1 == 0;
        line.modified = ledger;
        Ok(())
    }

    fn set_options(
        &mut self,
        operation: &xdr::SetOptionsOp,
        source: Id,
    ) -> Result<(), xdr::SetOptionsResult> {
        use xdr::SetOptionsResult as R;
        if let Some(fault) = set_options_fault(operation, &source) {
            return Err(fault);
        }
        let account = self.touch(source);
        let changes_flags = operation.set_flags.is_some() || operation.clear_flags.is_some();
        if changes_flags && account.flags & xdr::AccountFlags::ImmutableFlag as u32 != 0 {
            return Err(R::CantChange);
        }
        account.flags |= operation.set_flags.unwrap_or_default();
        account.flags &= !operation.clear_flags.unwrap_or_default();
        let byte = |weight: u32| u8::try_from(weight).unwrap_or(u8::MAX);
        if let Some(weight) = operation.master_weight {
            account.master_weight = byte(weight);
        }
        let thresholds = [
            operation.low_threshold,
            operation.med_threshold,
            operation.high_threshold,
        ];
        for (threshold, wanted) in account.thresholds.iter_mut().zip(thresholds) {
            if let Some(wanted) = wanted {
                *threshold = byte(wanted);
            }
        }
        if let Some(domain) = &operation.home_domain {
            account.home_domain = domain.to_utf8_string_lossy();
        }
        if let Some(signer) = &operation.signer {
            let known = account.signers.contains_key(&signer.key);
            match signer.weight {
                0 if !known => return Err(R::BadSigner),
                0 => {
                    account.signers.remove(&signer.key);
                }
                _ if !known && account.signers.len() >= MAX_SIGNERS => {
                    return Err(R::TooManySigners);
                }
                _ if !known && !account.can_keep(1) => return Err(R::LowReserve),
                weight => {
                    account.signers.insert(signer.key.clone(), byte(weight));
                }
            }
        }
        Ok(())
    }

    fn manage_data(
        &mut self,
        operation: &xdr::ManageDataOp,
        source: Id,
    ) -> Result<(), xdr::ManageDataResult> {
        use xdr::ManageDataResult as R;
        let name = operation.data_name.to_utf8_string_lossy();
        let account = self.touch(source);
        let known = account.data.contains_key(&name);
        match &operation.data_value {
            None if !known => return Err(R::NameNotFound),
            None => {
                account.data.remove(&name);
            }
            Some(_) if !known && !account.can_keep(1) => return Err(R::LowReserve),
            Some(value) => {
                account.data.insert(name, value.0.to_vec());
            }
        }
        Ok(())
    }

    fn create_claimable(
        &mut self,
        operation: &xdr::CreateClaimableBalanceOp,
        source: Id,
        place: &Place,
    ) -> Result<Id, xdr::CreateClaimableBalanceResult> {
        use xdr::CreateClaimableBalanceResult as R;
        let reserves = operation.claimants.len() as u32;
        let account = self.touch(source);
        if !account.can_keep(reserves) {
            return Err(R::LowReserve);
        }
        account.sponsoring += reserves;
        self.take(source, &operation.asset, operation.amount)
            .map_err(|fault| match fault {
                Lacks::Funds | Lacks::Room => R::Underfunded,
                Lacks::Trust => R::NoTrust,
                Lacks::Consent => R::NotAuthorized,
            })?;
        let id = claimable_id(place);
        let now = i64::try_from(self.time).unwrap_or(i64::MAX);
        let claimants = operation.claimants.iter().map(|claimant| {
            let xdr::Claimant::ClaimantTypeV0(claimant) = claimant;
            xdr::ClaimantV0 {
                destination: claimant.destination.clone(),
                predicate: absolute(&claimant.predicate, now),
            }
        });
        let balance = ClaimableBalance {
            asset: operation.asset.clone(),
            amount: operation.amount,
            claimants: claimants.collect(),
            sponsor: source,
            made: (self.sequence, self.time),
        };
        self.claimable.insert(id, balance);
        Ok(id)
    }

    fn claim(
        &mut self,
        operation: &xdr::ClaimClaimableBalanceOp,
        source: Id,
    ) -> Result<(), xdr::ClaimClaimableBalanceResult> {
        use xdr::ClaimClaimableBalanceResult as R;
        let xdr::ClaimableBalanceId::ClaimableBalanceIdTypeV0(xdr::Hash(id)) =
            &operation.balance_id;
        let balance = self.claimable.get(id).cloned().ok_or(R::DoesNotExist)?;
        let now = i64::try_from(self.time).unwrap_or(i64::MAX);
        let may = balance
            .claimants
            .iter()
            .any(|one| key(&one.destination) == source && holds(&one.predicate, now));
        if !may {
            return Err(R::CannotClaim);
        }
        self.give(source, &balance.asset, balance.amount)
            .map_err(|fault| match fault {
                Lacks::Funds | Lacks::Room => R::LineFull,
                Lacks::Trust => R::NoTrust,
                Lacks::Consent => R::NotAuthorized,
            })?;
        if let Some(sponsor) = self.accounts.get_mut(&balance.sponsor) {
            sponsor.sponsoring -= balance.claimants.len() as u32;
        }
        self.claimable.remove(id);
        Ok(())
    }

    fn merge(&mut self, source: Id, into: Id) -> Result<i64, xdr::AccountMergeResult> {
        use xdr::AccountMergeResult as R;
        if !self.accounts.contains_key(&into) {
            return Err(R::NoAccount);
        }
        let account = self.touch(source);
        if account.flags & xdr::AccountFlags::ImmutableFlag as u32 != 0 {
            return Err(R::ImmutableSet);
        }
        if !account.trustlines.is_empty() || !account.data.is_empty() {
            return Err(R::HasSubEntries);
        }
        if account.sponsoring > 0 {
            return Err(R::IsSponsor);
        }
        let moved = account.balance;
        if account.sequence >= i64::from(self.sequence) << 32 {
            return Err(R::SeqnumTooFar);
        }
        self.accounts.remove(&source);
        let to = self.touch(into);
        to.balance = to.balance.checked_add(moved).ok_or(R::DestFull)?;
        Ok(moved)
    }
}

/// Why an amount cannot be moved.
enum Lacks {
    Funds,
    Trust,
    Consent,
    Room,
}

/// The id of the claimable balance that an operation makes.
fn claimable_id(place: &Place) -> Id {
    let preimage = xdr::HashIdPreimage::OpId(xdr::HashIdPreimageOperationId {
        source_account: account_id(&place.source),
        seq_num: xdr::SequenceNumber(place.sequence),
        op_num: place.number,
    });
    let bytes = preimage.to_xdr(xdr::Limits::none()).unwrap_or_default();
    Sha256::digest(bytes).into()
}
