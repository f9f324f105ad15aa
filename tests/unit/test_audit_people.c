/* The audit of what officers state: revisions of orders, reissues, what waits
 * for approvals, and what only the whole log shows of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/audit_attacks.h"

/* --- orders --- */

/* order-1 again, for so many units. */
static struct mm_order_claim
revise(uint64_t revision, uint64_t units)
{
	struct mm_order_claim order = make_order("order-1");

	order.revision = revision;
	order.units = units;
	return order;
}

static void
add_revision(uint64_t revision, uint64_t units)
{
	struct mm_order_claim order = revise(revision, units);

	honest.order = add_order(&order, "officer-1");
}

static void
issue_device(const char *name)
{
	struct issue device = device_issue(name);

	issue_signed(&device);
}

static void
an_order_is_revised(void **state)
{
	struct mm_order_claim closed = revise(3, 2);

	(void)state;
	add_revision(1, 1);
	issue_device("dev-01");
	add_revision(2, 2);
	issue_device("dev-02");
	closed.closed = true;
	add_order(&closed, "officer-1");
	add_revision(4, 3);
	issue_device("dev-03");
	passes();
}

/* What was used under the first terms is used under all. */
static void
order_over_its_units_through_a_revision(void)
{
	issue_device("dev-01");
	issue_device("dev-02");
	add_revision(1, 2);
	issue_device("dev-03");
}

static void
order_by_an_older_revision(void)
{
	uint64_t first = honest.order;

	add_revision(1, 9);
	honest.order = first;
	issue_device("dev-01");
}

static void
order_that_is_closed(void)
{
	struct mm_order_claim closed = revise(1, 9);

	closed.closed = true;
	honest.order = add_order(&closed, "officer-1");
	issue_device("dev-01");
}

static void
revision_left_out(void)
{
	add_revision(2, 9);
}

static void
revision_again(void)
{
	add_revision(1, 9);
	add_revision(1, 8);
}

static void
revision_of_no_order(void)
{
	struct mm_order_claim order = make_order("order-9");

	order.revision = 1;
	add_order(&order, "officer-1");
}

static void
revision_for_another_profile(void)
{
	struct mm_order_claim order = revise(1, 9);

	order.profile = text("device-2");
	add_order(&order, "officer-1");
}

/* --- reissues --- */

/* An order that allows so many, for the same devices. */
static void
allow_reissues(uint64_t count)
{
	struct mm_order_claim order = make_order("order-2");

	order.reissue = count;
	honest.order = add_order(&order, "officer-1");
}

struct former {
	uint64_t index;
	struct issue issue;
};

static struct former
issue_former(const char *name)
{
	struct former former = {.issue = device_issue(name)};

	former.index = issue_signed(&former.issue);
	return former;
}

static void
replace(struct issue *issue, const struct former *former)
{
	struct mm_replaced one = {
	    former->index, serial_of(former->issue.entry.tbs)};

	issue->entry.replaces = (struct mm_list){keep(&one, sizeof(one)), 1};
}

static struct former
reissue(const char *name, const struct former *former)
{
	struct former next = {.issue = device_issue(name)};

	replace(&next.issue, former);
	next.index = issue_signed(&next.issue);
	return next;
}

static void
list_crl(const struct listed *listed, size_t count)
{
	struct crl_plan plan = {.ca_tbs = honest.device_ca_tbs,
	    .number = 1,
	    .listed = listed,
	    .count = count};
	struct mm_crl_entry body = {.issuer = text("device-ca"),
	    .number = 1,
	    .this_update = honest.time,
	    .next_update = honest.time + DAY,
	    .size = mint.log.size,
	    .count = count,
	    .tbs = make_crl_of(&plan)};

	add(MM_ENTRY_CRL, &body);
}

static void
a_device_is_reissued(void **state)
{
	struct mm_audit_report report;
	struct former first, second;
	struct listed listed[2];

	(void)state;
	allow_reissues(2);
	first = issue_former("dev-01");
	second = reissue("dev-01", &first);
	reissue("dev-01", &second);
	listed[0] = (struct listed){serial_of(first.issue.entry.tbs), 4};
	listed[1] = (struct listed){serial_of(second.issue.entry.tbs), 4};
	list_crl(listed, 2);
	passes();
	assert_int_equal(audit(&report), MM_OK);
	assert_int_equal(report.devices, 1);
}

/* One that is given up leaves the former one as it was. */
static void
a_void_reissue_gives_back(void **state)
{
	struct former first;
	struct issue next;

	(void)state;
	allow_reissues(1);
	first = issue_former("dev-01");
	next = device_issue("dev-01");
	replace(&next, &first);
	add_void(add_certificate(&next));
	list_crl(NULL, 0);
	reissue("dev-01", &first);
	passes();
}

/* A device may bring its key again, and no other device may. */
static void
a_reissue_has_the_same_key(void **state)
{
	struct former first;
	struct issue next;

	(void)state;
	first = issue_former("dev-01");
	allow_reissues(1);
	next = device_issue("dev-01");
	next.plan.spki = first.issue.plan.spki;
	make_tbs(&next);
	replace(&next, &first);
	issue_signed(&next);
	passes();
}

/* A device without a live certificate gets another unit. */
static void
a_revoked_device_is_issued_again(void **state)
{
	struct former first = issue_former("dev-01");

	(void)state;
	revoke_serial(serial_of(first.issue.entry.tbs), 5);
	issue_device("dev-01");
	passes();
}

static void
set(const struct former *former, uint64_t reason)
{
	revoke_serial(serial_of(former->issue.entry.tbs), reason);
}

/* On hold until another takes its place; a hold that ended has not been. */
static void
a_device_on_hold_is_reissued(void **state)
{
	struct former first, second;

	(void)state;
	allow_reissues(2);
	first = issue_former("dev-01");
	set(&first, 6);
	second = reissue("dev-01", &first);
	set(&second, 6);
	set(&second, 8);
	reissue("dev-01", &second);
	first = issue_former("dev-02");
	set(&first, 6);
	set(&first, 5);
	issue_device("dev-02");
	passes();
}

static void
device_on_hold_twice(void)
{
	struct former first = issue_former("dev-01");

	set(&first, 6);
	issue_device("dev-01");
}

/* Under another order, and with its own key. */
static void
device_on_hold_with_its_key(void)
{
	struct former first = issue_former("dev-01");
	struct issue next;

	set(&first, 6);
	allow_reissues(1);
	next = device_issue("dev-01");
	next.plan.spki = first.issue.plan.spki;
	make_tbs(&next);
	replace(&next, &first);
	issue_signed(&next);
}

/* A reissue that was given up leaves the hold. */
static void
device_on_hold_after_a_void(void)
{
	struct former first;
	struct issue next;

	allow_reissues(1);
	first = issue_former("dev-01");
	set(&first, 6);
	next = device_issue("dev-01");
	replace(&next, &first);
	add_void(add_certificate(&next));
	issue_device("dev-01");
}

static void
hold_lifted_of_what_is_replaced(void)
{
	struct former first;

	allow_reissues(1);
	first = issue_former("dev-01");
	set(&first, 6);
	reissue("dev-01", &first);
	set(&first, 8);
}

static void
reissue_over_the_allowance(void)
{
	struct former first, second;

	allow_reissues(1);
	first = issue_former("dev-01");
	second = reissue("dev-01", &first);
	reissue("dev-01", &second);
}

static void
reissue_of_another_device(void)
{
	struct former other;

	allow_reissues(1);
	issue_former("dev-01");
	other = issue_former("dev-02");
	reissue("dev-01", &other);
}

static void
reissue_with_another_serial(void)
{
	struct former first, other;

	allow_reissues(1);
	first = issue_former("dev-01");
	other = issue_former("dev-02");
	first.issue.entry.tbs = other.issue.entry.tbs;
	reissue("dev-01", &first);
}

static void
reissue_of_what_is_superseded(void)
{
	struct former first;

	allow_reissues(2);
	first = issue_former("dev-01");
	reissue("dev-01", &first);
	reissue("dev-01", &first);
}

static void
reissue_of_what_is_revoked(void)
{
	struct former first;

	allow_reissues(2);
	first = issue_former("dev-01");
	revoke_serial(serial_of(first.issue.entry.tbs), 5);
	reissue("dev-01", &first);
}

static void
reissue_of_what_is_unsigned(void)
{
	struct former first;

	allow_reissues(1);
	first.issue = device_issue("dev-01");
	first.index = add_certificate(&first.issue);
	reissue("dev-01", &first);
}

static void
reissue_without_a_former_one(void)
{
	allow_reissues(1);
	issue_former("dev-01");
	issue_device("dev-01");
}

static void
client_that_replaces(void)
{
	struct former first = issue_former("dev-01");
	struct issue client = client_issue();

	replace(&client, &first);
	issue_signed(&client);
}

/* A key that was revoked for what it did, once more for the same device. */
static void
key_of_a_revoked_certificate(void)
{
	struct former first = issue_former("dev-01");
	struct issue next = device_issue("dev-01");

	revoke_serial(serial_of(first.issue.entry.tbs), 1);
	next.plan.spki = first.issue.plan.spki;
	make_tbs(&next);
	issue_signed(&next);
}

static void
crl_that_omits_a_superseded_one(void)
{
	struct former first;

	allow_reissues(1);
	first = issue_former("dev-01");
	reissue("dev-01", &first);
	list_crl(NULL, 0);
}

static void
crl_that_lists_too_early(void)
{
	struct former first;
	struct issue next;
	struct listed listed;

	allow_reissues(1);
	first = issue_former("dev-01");
	next = device_issue("dev-01");
	replace(&next, &first);
	add_certificate(&next);
	listed = (struct listed){serial_of(first.issue.entry.tbs), 4};
	list_crl(&listed, 1);
}

static void
crl_with_another_date(void)
{
	struct former first = issue_former("dev-01");
	struct listed listed = {serial_of(first.issue.entry.tbs), 1};

	revoke_serial(listed.serial, 1);
	honest.time += 10;
	list_crl(&listed, 1);
}

/* --- what waits --- */

/* From now on everything wants two officers. */
static void
want_two(void)
{
	mint_threshold = 2;
	change_policy(2, &mint.ada, &mint.bob, &mint.ada, &mint.bob);
	mint_threshold = 1;
}

static struct says
ada_and_bob(uint64_t kind, const void *claim)
{
	struct says says = said(kind, claim);

	says.and_by = &mint.bob;
	return says;
}

/* The first `count` of the statements wait. */
static void
add_pending_of(struct mm_list statements, size_t count, const char *principal)
{
	struct mm_pending_entry body = {.statements = {statements.items, count},
	    .principal = text(principal),
	    .request = new_request()};

	add(MM_ENTRY_PENDING, &body);
}

static void
add_pending(struct mm_list statements, size_t count)
{
	add_pending_of(statements, count, "officer-1");
}

static struct mm_list
state_order(void)
{
	struct mm_order_claim order = make_order("order-2");

	return state(ada_and_bob(MM_STATEMENT_ORDER, &order));
}

static void
withdraw(struct mm_list statements)
{
	struct mm_withdraw_claim claim;
	struct mm_statement statement;

	ok(mm_statement_decode(
	    mm_list_at(statements, struct mm_bytes_item, 0)->value,
	    &statement));
	crypto_hash_sha256(
	    claim.payload, statement.payload.data, statement.payload.size);
	add_statements(MM_ENTRY_WITHDRAWAL,
	    state(said(MM_STATEMENT_WITHDRAW, &claim)), "officer-1");
}

static void
approvals_gather(void **state)
{
	struct mm_list order, other;

	(void)state;
	want_two();
	order = state_order();
	other = state_order();
	add_pending(order, 1);
	add_pending(other, 1);
	withdraw(other);
	add_statements(MM_ENTRY_ORDER, order, "officer-1");
	passes();
}

static void
pending_that_is_enough(void)
{
	want_two();
	add_pending(state_order(), 2);
}

static void
pending_after_it_is_in_force(void)
{
	struct mm_list order;

	want_two();
	order = state_order();
	add_statements(MM_ENTRY_ORDER, order, "officer-1");
	add_pending(order, 1);
}

static void
pending_that_pretends_to_be_in_force(void)
{
	struct mm_list order;

	want_two();
	order = state_order();
	add_pending(order, 1);
	honest.order = mint.log.size - 1;
	issue_device("dev-01");
}

static void
pending_by_a_removed_officer(void)
{
	struct mm_list order;

	want_two();
	order = state_order();
	change_policy(3, &mint.eve, &mint.bob, &mint.ada, &mint.bob);
	add_pending(order, 1);
}

static void
pending_with_anothers_key(void)
{
	struct mm_principal_claim claim =
	    make_principal("x", MM_ROLE_STATION, make_spki());
	struct mm_pending_entry body = {
	    .principal = text("officer-1"), .spki = make_spki()};

	want_two();
	body.statements = state(said(MM_STATEMENT_PRINCIPAL, &claim));
	body.request = new_request();
	add(MM_ENTRY_PENDING, &body);
}

static void
add_pending_proof(struct mm_span spki, struct mm_span said_spki)
{
	struct mm_ceremony_proof proof = {.issuer = text("device-ca"),
	    .profile = text("proof"),
	    .code = text("a code of a cloud")};
	struct mm_ceremony_claim claim = {.proofs = {&proof, 1}};
	struct mm_pending_entry body = {
	    .principal = text("officer-1"), .spki = spki};

	want_two();
	crypto_hash_sha256(proof.key, said_spki.data, said_spki.size);
	body.statements = state(said(MM_STATEMENT_CEREMONY, &claim));
	body.request = new_request();
	add(MM_ENTRY_PENDING, &body);
}

static void
a_proof_waits_with_its_key(void **state)
{
	struct mm_span spki = make_spki();

	(void)state;
	add_pending_proof(spki, spki);
	passes();
}

static void
pending_proof_with_another_key(void)
{
	add_pending_proof(make_spki(), make_spki());
}

static void
pending_proof_without_its_key(void)
{
	add_pending_proof(mm_span(NULL, 0), make_spki());
}

static void
pending_order_with_a_policy(void)
{
	struct mm_pending_entry body = {
	    .principal = text("officer-1"), .policy = mint.policy};

	want_two();
	body.statements = (struct mm_list){state_order().items, 1};
	body.request = new_request();
	add(MM_ENTRY_PENDING, &body);
}

static void
pending_policy_that_is_another(void)
{
	struct mm_policy_claim claim = {.number = 2};
	struct mm_pending_entry body = {.principal = text("officer-1"),
	    .policy = mint.policy,
	    .request = new_request()};

	body.statements = state(said(MM_STATEMENT_POLICY, &claim));
	add(MM_ENTRY_PENDING, &body);
}

static void
pending_by_a_station(void)
{
	struct mm_pending_entry body = {.principal = text("station-1")};

	want_two();
	body.statements = (struct mm_list){state_order().items, 1};
	body.request = new_request();
	add(MM_ENTRY_PENDING, &body);
}

static void
withdrawn_statement_in_force(void)
{
	struct mm_list order;

	want_two();
	order = state_order();
	add_pending(order, 1);
	withdraw(order);
	add_statements(MM_ENTRY_ORDER, order, "officer-1");
}

static void
withdrawn_statement_that_waits_again(void)
{
	struct mm_list order;

	want_two();
	order = state_order();
	add_pending(order, 1);
	withdraw(order);
	add_pending(order, 1);
}

static void
withdrawal_of_nothing(void)
{
	want_two();
	withdraw(state_order());
}

static void
withdrawal_of_what_is_in_force(void)
{
	struct mm_list order;

	want_two();
	order = state_order();
	add_statements(MM_ENTRY_ORDER, order, "officer-1");
	withdraw(order);
}

/* --- releases --- */

static void
a_release_is_approved_before_its_image(void **state)
{
	struct release release;
	uint64_t image;

	(void)state;
	make_release(&release, "1.0");
	add_statements(MM_ENTRY_RELEASE, release.entry.statements, "officer-1");
	image = add(MM_ENTRY_IMAGE, &release.entry);
	add_signature(image, soft_sign("codesign", release.entry.digest));
	passes();
}

/* Who releases firmware brings what officers have signed about it. */
static void
a_release_engineer_brings_releases(void **state_)
{
	struct mm_list statements;
	struct release release;

	(void)state_;
	make_release(&release, "1.0");
	add_statements(MM_ENTRY_RELEASE, release.entry.statements, "release-1");
	want_two();
	make_release(&release, "1.2");
	statements = state(said(MM_STATEMENT_RELEASE, &release.claim));
	add_pending_of(statements, 1, "release-1");
	passes();
}

static void
order_by_a_release_engineer(void)
{
	struct mm_order_claim order = make_order("order-2");

	add_order(&order, "release-1");
}

static void
pending_order_by_a_release_engineer(void)
{
	want_two();
	add_pending_of(state_order(), 1, "release-1");
}

static void
release_of_no_product(void)
{
	struct release release;

	make_release(&release, "1.0");
	release.claim.product = text("toaster");
	add_statements(MM_ENTRY_RELEASE,
	    state(said(MM_STATEMENT_RELEASE, &release.claim)), "officer-1");
}

static void
release_again(void)
{
	struct release release;

	make_release(&release, "1.0");
	add_statements(MM_ENTRY_RELEASE, release.entry.statements, "officer-1");
	add_statements(MM_ENTRY_RELEASE, release.entry.statements, "officer-1");
}

static void
image_of_a_withdrawn_release(void)
{
	struct mm_list statements;
	struct release release;

	want_two();
	make_release(&release, "1.0");
	statements = state(ada_and_bob(MM_STATEMENT_RELEASE, &release.claim));
	release.entry.statements = statements;
	add_pending(statements, 1);
	withdraw(statements);
	add(MM_ENTRY_IMAGE, &release.entry);
}

/* --- principals --- */

static void
a_principal_renews_its_certificate(void **state)
{
	struct issue client = client_issue(), again = client_issue();

	(void)state;
	issue_signed(&client);
	again.entry.principal = text("station-1");
	again.entry.request = new_request();
	issue_signed(&again);
	passes();
}

static void
renewal_after_a_revocation(void)
{
	struct issue client = client_issue(), again = client_issue();

	issue_signed(&client);
	revoke_serial(serial_of(client.entry.tbs), 1);
	again.entry.principal = text("station-1");
	again.entry.request = new_request();
	issue_signed(&again);
}

static void
orders_are_checked(void **state)
{
	static const struct attack attacks[] = {
	    ATTACK(order_over_its_units_through_a_revision, "used up"),
	    ATTACK(order_by_an_older_revision, "whose newest is entry"),
	    ATTACK(order_that_is_closed, "closed"),
	    ATTACK(revision_left_out, "the next one is 1"),
	    ATTACK(revision_again, "the next one is 2"),
	    ATTACK(revision_of_no_order, "there is no order order-9"),
	    ATTACK(revision_for_another_profile, "is for profile device"),
	};

	(void)state;
	run_attacks(attacks, MM_COUNT(attacks));
}

static void
reissues_are_checked(void **state)
{
	static const struct attack attacks[] = {
	    ATTACK(device_on_hold_twice,
		"its device has a certificate on hold, of entry"),
	    ATTACK(device_on_hold_with_its_key,
		"its key is in a certificate on hold, of entry"),
	    ATTACK(device_on_hold_after_a_void,
		"its device has a certificate on hold, of entry"),
	    ATTACK(hold_lifted_of_what_is_replaced, "hold that was not there"),
	    ATTACK(reissue_over_the_allowance, "are used up"),
	    ATTACK(reissue_of_another_device, "not the certificate that its"),
	    ATTACK(reissue_with_another_serial, "has another serial number"),
	    ATTACK(
		reissue_of_what_is_superseded, "not the certificate that its"),
	    ATTACK(reissue_of_what_is_revoked, "not the certificate that its"),
	    ATTACK(reissue_of_what_is_unsigned, "which is not signed"),
	    ATTACK(reissue_without_a_former_one, "has a live certificate"),
	    ATTACK(client_that_replaces, "only a device's certificate"),
	    ATTACK(key_of_a_revoked_certificate, "was in a certificate that"),
	    ATTACK(crl_that_omits_a_superseded_one, "have revoked 1 of its CA"),
	    ATTACK(crl_that_lists_too_early, "that no entry before"),
	    ATTACK(crl_with_another_date, "has another date for what"),
	    ATTACK(renewal_after_a_revocation, "was in a certificate that"),
	};

	(void)state;
	run_attacks(attacks, MM_COUNT(attacks));
}

static void
what_waits_is_checked(void **state)
{
	static const struct attack attacks[] = {
	    ATTACK(pending_that_is_enough, "enough officers have signed it"),
	    ATTACK(pending_after_it_is_in_force, "its statement is also that"),
	    ATTACK(pending_that_pretends_to_be_in_force, "is no order"),
	    ATTACK(pending_by_a_removed_officer, "officer"),
	    ATTACK(pending_with_anothers_key, "the key that came along"),
	    ATTACK(pending_proof_with_another_key, "not that of its proofs"),
	    ATTACK(pending_proof_without_its_key, "not that of its proofs"),
	    ATTACK(pending_order_with_a_policy, "does not go with"),
	    ATTACK(pending_policy_that_is_another, "the policy that came"),
	    ATTACK(pending_by_a_station, "may not ask for"),
	    ATTACK(withdrawn_statement_in_force, "has withdrawn what it"),
	    ATTACK(withdrawn_statement_that_waits_again, "has withdrawn what"),
	    ATTACK(withdrawal_of_nothing, "withdraws what did not wait"),
	    ATTACK(withdrawal_of_what_is_in_force, "its statement is also"),
	    ATTACK(release_of_no_product, "toaster"),
	    ATTACK(order_by_a_release_engineer, "releases alone"),
	    ATTACK(pending_order_by_a_release_engineer, "releases alone"),
	    ATTACK(release_again, "its statement is also that of"),
	    ATTACK(image_of_a_withdrawn_release, "has withdrawn what it"),
	};

	(void)state;
	run_attacks(attacks, MM_COUNT(attacks));
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, begin)
	const struct CMUnitTest tests[] = {
	    TEST(an_order_is_revised),
	    TEST(a_device_is_reissued),
	    TEST(a_void_reissue_gives_back),
	    TEST(a_reissue_has_the_same_key),
	    TEST(a_revoked_device_is_issued_again),
	    TEST(a_device_on_hold_is_reissued),
	    TEST(approvals_gather),
	    TEST(a_proof_waits_with_its_key),
	    TEST(a_release_is_approved_before_its_image),
	    TEST(a_release_engineer_brings_releases),
	    TEST(a_principal_renews_its_certificate),
	    TEST(orders_are_checked),
	    TEST(reissues_are_checked),
	    TEST(what_waits_is_checked),
	};

	return cmocka_run_group_tests(tests, honest_make, honest_remove);
}
