/*
 * CRLs: the token signs what is one, of that issuer, as its entry says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ca/der.h"
#include "tests/unit/crl_trial.h"
#include "tests/unit/outside.h"

static void
crl_good(struct crl_trial *trial)
{
	(void)trial;
}

static void
crl_empty(struct crl_trial *trial)
{
	trial->revoked = trial->entry.count = 0;
}

static void
crl_other_number(struct crl_trial *trial)
{
	trial->plan.number++;
}

static void
crl_other_beginning(struct crl_trial *trial)
{
	trial->plan.this_update--;
}

static void
crl_other_end(struct crl_trial *trial)
{
	trial->plan.next_update--;
}

static void
crl_too_long(struct crl_trial *trial)
{
	trial->plan.next_update = ++trial->entry.next_update;
}

/* Nobody builds such a CRL; somebody may write one. */
static void
crl_that_ends_as_it_begins(struct crl_trial *trial)
{
	mm_auto(buffer) begins = {0}, ends = {0};
	uint8_t *tbs, *end;

	mm_buffer_init(&begins, 32);
	mm_buffer_init(&ends, 32);
	mm_der_put_time(&begins, NOW + 10);
	mm_der_put_time(&ends, NOW + 11);
	trial->plan.next_update = NOW + 11;
	trial->entry.next_update = NOW + 10;
	trial->tbs = make_crl_tbs(trial);
	tbs = keep(trial->tbs.data, trial->tbs.size);
	end = memmem(tbs, trial->tbs.size, ends.data, ends.size);
	assert_non_null(end);
	memcpy(end, begins.data, begins.size);
	trial->tbs.data = tbs;
	trial->other_tbs = true;
}

static void
crl_begins(struct crl_trial *trial, uint64_t time)
{
	trial->plan.this_update = trial->entry.this_update = time;
	trial->plan.next_update = trial->entry.next_update = time + DAY;
}

static void
crl_a_minute_ahead(struct crl_trial *trial)
{
	crl_begins(trial, NOW + 10 + 60);
}

static void
crl_of_the_future(struct crl_trial *trial)
{
	crl_begins(trial, NOW + 10 + 61);
}

static void
crl_of_more(struct crl_trial *trial)
{
	trial->revoked++;
}

static void
crl_of_fewer(struct crl_trial *trial)
{
	trial->revoked--;
}

static void
crl_with_anothers_name(struct crl_trial *trial)
{
	trial->plan.issuer = logged.root_tbs;
}

static void
crl_by_codesign(struct crl_trial *trial)
{
	trial->entry.issuer = text("codesign");
}

static void
crl_by_nobody(struct crl_trial *trial)
{
	trial->entry.issuer = text("nobody");
}

/* No certificate of it was ever listed. */
static void
crl_by_spare_ca(struct crl_trial *trial)
{
	trial->entry.issuer = text("spare-ca");
}

static void
crl_without_issuer(struct crl_trial *trial)
{
	trial->count = 0;
}

static void
crl_of_what_comes_after(struct crl_trial *trial)
{
	trial->entry.size = mint.log.size + 1;
}

/* The issuer's own name over another key of the mint. */
static void
crl_with_anothers_key(struct crl_trial *trial)
{
	struct trial twin = make_trial("device-ca", "Devices", "root",
	    logged.root_tbs, mint_key("spare-ca")->spki);

	log_trial(&twin);
	mint.log.size--;
	trial->plan.issuer = twin.entry.tbs;
}

/* What a CA signs as a CRL could be a certificate as well. */
static void
crl_that_is_a_certificate(struct crl_trial *trial)
{
	trial->other_tbs = true;
	trial->tbs = logged.device_ca_tbs;
}

static void
crl_garbage(struct crl_trial *trial)
{
	trial->other_tbs = true;
	trial->tbs = text("no CRL at all");
}

static void
crl_with_more_behind_it(struct crl_trial *trial)
{
	struct mm_span tbs = make_crl_tbs(trial);
	uint8_t *longer = keep(mint.policy.data, tbs.size + 1);

	memcpy(longer, tbs.data, tbs.size);
	longer[tbs.size] = 0;
	trial->other_tbs = true;
	trial->tbs = mm_span(longer, tbs.size + 1);
}

static const struct {
	const char *name;
	void (*spoil)(struct crl_trial *);
	enum mm_error error;
	const char *why;
} crls[] = {{"good", crl_good, MM_OK, ""}, {"empty", crl_empty, MM_OK, ""},
    {"number", crl_other_number, MM_E_TOKEN_REFUSED, "has the number"},
    {"beginning", crl_other_beginning, MM_E_TOKEN_REFUSED, "other times"},
    {"end", crl_other_end, MM_E_TOKEN_REFUSED, "other times"},
    {"too long", crl_too_long, MM_E_TOKEN_REFUSED, "lasts 604801"},
    {"no time", crl_that_ends_as_it_begins, MM_E_TOKEN_REFUSED, "before it"},
    {"a minute ahead", crl_a_minute_ahead, MM_OK, ""},
    {"future", crl_of_the_future, MM_E_TOKEN_REFUSED, "begins after"},
    {"more", crl_of_more, MM_E_TOKEN_REFUSED, "lists 4"},
    {"fewer", crl_of_fewer, MM_E_TOKEN_REFUSED, "lists 2"},
    {"name", crl_with_anothers_name, MM_E_TOKEN_REFUSED, "not by"},
    {"key", crl_with_anothers_key, MM_E_TOKEN_REFUSED, "not by"},
    {"codesign", crl_by_codesign, MM_E_TOKEN_REFUSED, "no key of a CA"},
    {"nobody", crl_by_nobody, MM_E_TOKEN_REFUSED, "no key of a CA"},
    {"spare", crl_by_spare_ca, MM_E_TOKEN_REFUSED, "no profile"},
    {"no issuer", crl_without_issuer, MM_E_TOKEN_REFUSED, "not at hand"},
    {"after", crl_of_what_comes_after, MM_E_TOKEN_REFUSED, "counts entries"},
    {"certificate", crl_that_is_a_certificate, MM_E_CERTIFICATE, "no list"},
    {"garbage", crl_garbage, MM_E_CERTIFICATE, "no list"},
    {"longer", crl_with_more_behind_it, MM_E_CERTIFICATE, "no list"}};

static void
a_crl_is_what_its_entry_says(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < MM_COUNT(crls); i++) {
		struct crl_trial trial = make_crl("device-ca", i + 1);
		struct outcome outcome;

		crls[i].spoil(&trial);
		outcome = try_crl(&trial);
		check_outcome(
		    crls[i].name, &outcome, crls[i].error, crls[i].why);
		if (outcome.error == MM_OK)
			check_crl(&trial, "device-ca", outcome.signature);
	}
}

/* Up, or the same again; each issuer counts by itself. */
static void
crl_numbers_only_go_up(void **unused)
{
	struct crl_trial five = make_crl("device-ca", 5);
	struct crl_trial four = make_crl("device-ca", 4);
	struct crl_trial other_five = make_crl("device-ca", 5);
	struct crl_trial seven = make_crl("device-ca", 7);
	struct crl_trial one = make_crl("access-ca", 1);
	struct outcome outcome = try_crl(&five);
	uint64_t number;

	(void)unused;
	check_outcome("five", &outcome, MM_OK, "");
	outcome = try_crl(&four);
	check_outcome("down", &outcome, MM_E_TOKEN_REFUSED, "CRL 5");
	outcome = try_crl(&five);
	check_outcome("again", &outcome, MM_OK, "");
	other_five.revoked = other_five.entry.count = 2;
	outcome = try_crl(&other_five);
	check_outcome("another", &outcome, MM_E_TOKEN_REFUSED, "CRL 5");
	outcome = try_crl(&one);
	check_outcome("of another CA", &outcome, MM_OK, "");
	outcome = try_crl(&seven);
	check_outcome("up", &outcome, MM_OK, "");
	/* A feeder that begins anew cannot make it forget. */
	ok(follow(&mint.log, 0, &number));
	outcome = try_crl(&five);
	check_outcome("back", &outcome, MM_E_TOKEN_REFUSED, "CRL 7");
}

static void
a_retired_ca_signs_no_crl(void **unused)
{
	struct crl_trial trial = make_crl("device-ca", 1);
	struct outcome outcome;

	(void)unused;
	retire("device-ca");
	outcome = try_crl(&trial);
	check_outcome("retired", &outcome, MM_E_TOKEN_REFUSED, "no key");
}

/* Its certificate says who may: an outside CA need not have allowed it. */
static void
a_ca_that_may_not_signs_no_crl(void **unused)
{
	const struct mm_span spki = mint_key("device-ca")->spki;
	struct outside may = make_outside("Devices Outside", true, spki);
	struct outside may_not = make_outside_for(
	    "Devices Outside", true, "critical,keyCertSign", spki);
	uint64_t ceremony = follow_import_ceremony("device-ca", &may, &may_not);
	struct crl_trial trial = make_crl("device-ca", 1);
	mm_auto(buffer) tbs = {0};
	struct outcome outcome;

	(void)unused;
	mm_buffer_init(&tbs, MM_CERTIFICATE_MAX);
	ok(mm_imported_tbs(may.der, &tbs));
	trial.plan.issuer = mm_buffer_span(&tbs);
	log_import("device-ca", ceremony, &may);
	ok(follow_last());
	outcome = try_crl(&trial);
	check_outcome("may", &outcome, MM_OK, "");
	log_import("device-ca", ceremony, &may_not);
	ok(follow_last());
	outcome = try_crl(&trial);
	check_outcome("may not", &outcome, MM_E_TOKEN_REFUSED, "not for CRLs");
}

/* --- CRLs that are blobs --- */

static void
blob_good(struct crl_trial *trial)
{
	(void)trial;
}

static void
blob_of_another(struct crl_trial *trial)
{
	struct crl_trial other = make_crl("device-ca", trial->entry.number);

	other.revoked = 4;
	trial->fd = make_memfd(make_crl_tbs(&other), MM_SEALS);
}

static void
blob_unsealed(struct crl_trial *trial)
{
	trial->fd = make_memfd(make_crl_tbs(trial), MM_SEALS & ~F_SEAL_WRITE);
}

static void
blob_cut(struct crl_trial *trial)
{
	struct mm_span tbs = make_crl_tbs(trial);

	trial->fd = make_memfd(mm_span(tbs.data, tbs.size - 1), MM_SEALS);
}

static void
blob_empty(struct crl_trial *trial)
{
	trial->fd = make_memfd(mm_span("", 0), MM_SEALS);
}

static void
blob_that_is_none(struct crl_trial *trial)
{
	trial->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void
blob_of_another_size(struct crl_trial *trial)
{
	uint8_t *hash = keep(mint.policy_digest, 32);

	trial->other_tbs = true;
	trial->tbs = make_crl_tbs(trial);
	crypto_hash_sha256(hash, trial->tbs.data, trial->tbs.size);
	trial->entry.tbs_sha256 = mm_span(hash, 32);
	trial->entry.tbs_size = trial->tbs.size + 1;
}

static void
blob_of_other_times(struct crl_trial *trial)
{
	trial->plan.next_update--;
}

static const struct {
	const char *name;
	void (*spoil)(struct crl_trial *);
	enum mm_error error;
	const char *why;
} blobs[] = {{"good", blob_good, MM_OK, ""},
    {"another", blob_of_another, MM_E_TOKEN_REFUSED, "not the blob"},
    {"unsealed", blob_unsealed, MM_E_PEER, "not sealed"},
    {"cut", blob_cut, MM_E_TOKEN_REFUSED, "not the blob"},
    {"empty", blob_empty, MM_E_PEER, "empty"},
    {"no memfd", blob_that_is_none, MM_E_PEER, "no memfd"},
    {"size", blob_of_another_size, MM_E_TOKEN_REFUSED, "not the blob"},
    {"times", blob_of_other_times, MM_E_TOKEN_REFUSED, "other times"}};

static void
a_long_crl_comes_as_a_sealed_blob(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < MM_COUNT(blobs); i++) {
		struct crl_trial trial = make_crl("device-ca", i + 1);
		struct outcome outcome;

		trial.blob = true;
		blobs[i].spoil(&trial);
		outcome = try_crl(&trial);
		check_outcome(
		    blobs[i].name, &outcome, blobs[i].error, blobs[i].why);
		if (outcome.error == MM_OK)
			check_crl(&trial, "device-ca", outcome.signature);
	}
}

static void
a_blob_comes_with_its_entry_alone(void **unused)
{
	struct crl_trial crl = make_crl("device-ca", 1);
	struct crl_trial inline_one = make_crl("device-ca", 2);
	struct trial device = device_trial();
	struct mm_proven items[2];
	struct request request;
	struct outcome outcome;
	int fd;

	(void)unused;
	crl.blob = true;
	prepare(&request, log_crl(&crl), crl.references, crl.count);
	outcome = ask(&request);
	check_outcome("missing", &outcome, MM_E_TOKEN_REFUSED, "at hand");
	fd = make_memfd(crl.tbs, MM_SEALS);
	log_trial(&device);
	items[0] = log_prove(&mint.log, mint.log.size - 2);
	items[1] = log_prove(&mint.log, mint.log.size - 1);
	request.body.note = log_note(&mint.log, &mint.log.key, ORIGIN);
	request.body.items = (struct mm_list){items, MM_COUNT(items)};
	outcome = ask_with(&request, fd);
	check_outcome("two", &outcome, MM_E_TOKEN_REFUSED, "comes alone");
	prepare(&request, mint.log.size - 1, device.references, device.count);
	outcome = ask_with(&request, fd);
	check_outcome("device", &outcome, MM_E_TOKEN_REFUSED, "no blob");
	prepare(&request, log_crl(&inline_one), crl.references, crl.count);
	outcome = ask_with(&request, fd);
	check_outcome("inline", &outcome, MM_E_TOKEN_REFUSED, "not name");
	prepare(&request, mint.log.size - 3, crl.references, crl.count);
	outcome = ask_with(&request, fd);
	check_outcome("in the end", &outcome, MM_OK, "");
	close(fd);
}

/* Nothing else is done with a descriptor. */
static void
only_a_crl_brings_a_descriptor(void **unused)
{
	struct mm_service service = mm_token_service(mint.token);
	struct later later = make_later();
	struct mm_genesis_key made;
	uint64_t index;

	(void)unused;
	later.claim.keys = one_key("with-fd", MM_KEY_DEVICE_CA);
	index = log_later(&later);
	*service.attached = 0;
	assert_int_equal(follow_last(), MM_E_TOKEN_REFUSED);
	*service.attached = -1;
	ok(follow_last());
	*service.attached = 0;
	assert_int_equal(
	    generate(index, later.claim.keys, &made), MM_E_TOKEN_REFUSED);
	*service.attached = -1;
	ok(generate(index, later.claim.keys, &made));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {BORN(a_crl_is_what_its_entry_says),
	    BORN(crl_numbers_only_go_up), BORN(a_retired_ca_signs_no_crl),
	    BORN(a_ca_that_may_not_signs_no_crl),
	    BORN(a_long_crl_comes_as_a_sealed_blob),
	    BORN(a_blob_comes_with_its_entry_alone),
	    BORN(only_a_crl_brings_a_descriptor)};

	return cmocka_run_group_tests(tests, make_mint, remove_mint);
}
