/*
 * Devices' partitions: one for each certificate and signing, what is refused,
 * and what a crash leaves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "protocol/sealed.h"
#include "tests/unit/authority_box.h"

#define ECDSA "secure-cert-ecdsa256:part"
#define RSA "secure-cert-rsa3072:part-rsa"

static struct mm_secure_cert_facts own;

/* --- what is asked --- */

static int
sealed(struct mm_span bytes)
{
	int fd = memfd_create("partition", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes.data, bytes.size), bytes.size);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, MM_SEALS), 0);
	return fd;
}

static void
ask_as(
    struct mm_span who, uint8_t id, const struct mm_partition_ask *what, int fd)
{
	struct mm_ask message = {.connection = 7,
	    .type = MM_MESSAGE_PARTITION,
	    .serial = text("\x07")};
	mm_auto(buffer) packet = {0}, body = {0};

	mm_buffer_init(&body, MM_FRAME_MAX);
	mm_buffer_init(&packet, MM_CHANNEL_MAX);
	ok(mm_shape_encode(&mm_partition_ask_shape, what, &body));
	message.body = mm_buffer_span(&body);
	memset(message.id, id, sizeof(message.id));
	digest_of(who, message.client);
	ok(mm_packet_encode(MM_ASK, 0, &mm_ask_shape, &message, &packet));
	ok(mm_channel_send_bytes(
	    box.fds[GATE], mm_buffer_span(&packet), (const int[]){fd, -1}));
}

static void
ask_for(uint8_t id, const char *device, const char *scheme, const char *bytes)
{
	const struct mm_partition_ask what = {
	    text("order"), text(device), text(scheme)};
	int fd = sealed(text(bytes));

	ask_as(box.station_key, id, &what, fd);
	close(fd);
}

static struct mm_partition_answer
await_signed(uint8_t id)
{
	struct mm_envelope envelope = await(id);
	struct mm_partition_answer answer;
	struct mm_error_answer error;

	if (envelope.type == MM_MESSAGE_ERROR) {
		ok(mm_shape_decode(&mm_error_answer_shape, envelope.body,
		    &mint.arena, &error));
		fail_msg("%d: %.*s", id, MM_SPAN(error.text));
	}
	assert_int_equal(envelope.type, MM_MESSAGE_PARTITION);
	ok(mm_shape_decode(
	    &mm_partition_answer_shape, envelope.body, &mint.arena, &answer));
	assert_true(answer.signature.size > 0 && answer.receipt.size > 0);
	assert_true(mm_span_is(answer.key, "part"));
	assert_true(mm_span_equal(answer.spki, mint_key("part")->spki));
	return answer;
}

static void
assert_same(const struct mm_partition_answer *a, uint8_t id)
{
	struct mm_partition_answer b = await_signed(id);

	assert_int_equal(a->index, b.index);
	assert_true(mm_span_equal(a->signature, b.signature));
}

/* Gives a device its certificate; the inspectors see that one then. */
static struct mm_certificate_answer
issue(uint8_t id, const char *device)
{
	struct mm_certificate_answer answer;
	uint8_t *sha256 = mm_arena_alloc(&mint.arena, 32);

	assert_non_null(sha256);
	ask_issue(id, device, make_spki());
	answer = await_certificate(id);
	crypto_hash_sha256(
	    sha256, answer.certificate.data, answer.certificate.size);
	own = (struct mm_secure_cert_facts){.certificate = mm_span(sha256, 32)};
	box.facts = (struct mm_image_facts){
	    .format = text("secure-cert"), .secure_cert = {&own, 1}};
	return answer;
}

static void
bring(uint8_t id, uint64_t kind, const void *claim)
{
	struct mm_statement_ask asked = {.statements = say(kind, claim)};

	ask(box.officer_key, MM_MESSAGE_STATEMENT, id, &mm_statement_ask_shape,
	    &asked);
	assert_int_equal(await_stated(id).missing, 0);
}

static void
revoke_it(
    uint8_t id, const struct mm_certificate_answer *answer, uint64_t reason)
{
	mm_auto(buffer) tbs = {0};
	uint8_t serial[MM_SERIAL_SIZE];
	struct mm_revoked one = {.reason = reason};
	struct mm_revoke_claim claim = {{&one, 1}};

	mm_buffer_init(&tbs, MM_CERTIFICATE_MAX);
	ok(mm_certificate_tbs(answer->certificate, &tbs));
	ok(mm_serial_of_tbs(mm_buffer_span(&tbs), serial));
	one.serial = mm_span(serial, sizeof(serial));
	bring(id, MM_STATEMENT_REVOKE, &claim);
}

static void
close_order(uint8_t id)
{
	struct mm_order_claim claim = {.name = text("order"),
	    .profile = text("device"),
	    .units = 100,
	    .devices = {.pattern = text("*")},
	    .stations = TEXTS("station"),
	    .until = box.moment + DAY,
	    .revision = 1,
	    .closed = true};

	bring(id, MM_STATEMENT_ORDER, &claim);
}

static struct mm_partition_entry
entry_at(uint64_t index)
{
	struct mm_partition_entry body;
	struct mm_entry frame;

	ok(mm_entry_decode_as(mint.log.entries[index], MM_ENTRY_PARTITION,
	    &mint.arena, &frame, &body));
	return body;
}

static void
start_again(void)
{
	spawn();
	until(is_serving);
	until_quiet();
}

/* --- what is signed --- */

static void
a_partition_is_signed(void **unused)
{
	struct mm_certificate_answer certificate = issue(1, "lamp-1");
	struct mm_partition_answer answer;
	struct mm_partition_entry entry;
	uint8_t sha256[32];

	(void)unused;
	ask_for(2, "lamp-1", ECDSA, "its bytes");
	answer = await_signed(2);
	entry = entry_at(answer.index);
	crypto_hash_sha256(sha256, (const uint8_t *)"its bytes", 9);
	assert_memory_equal(entry.sha256, sha256, 32);
	assert_memory_equal(entry.digest, sha256, 32);
	assert_int_equal(entry.size, 9);
	assert_int_equal(entry.certificate, certificate.index);
	assert_int_equal(entry.basis, box.order);
	assert_true(mm_span_is(entry.device, "lamp-1"));
	assert_true(mm_span_is(entry.profile, "device"));
	assert_true(mm_span_is(entry.principal, "station"));
	/* What the token signed was proven before anybody got it. */
	assert_int_equal(box.proved, 1);
	assert_int_equal(box.proved_signatures, 1);
}

static void
the_same_again(void **unused)
{
	struct mm_partition_answer first;

	(void)unused;
	issue(1, "lamp-1");
	ask_for(2, "lamp-1", ECDSA, "its bytes");
	first = await_signed(2);
	ask_for(2, "lamp-1", ECDSA, "its bytes");
	assert_same(&first, 2);
	ask_for(3, "lamp-1", ECDSA, "its bytes");
	assert_same(&first, 3);
	assert_int_equal(logged(MM_ENTRY_PARTITION), 1);
	/* Also where nothing new would be signed. */
	close_order(4);
	ask_for(5, "lamp-1", ECDSA, "its bytes");
	assert_same(&first, 5);
}

static void
several_wait_for_one(void **unused)
{
	struct mm_partition_answer first;

	(void)unused;
	issue(1, "lamp-1");
	until_quiet();
	box.hold[TOKEN] = true;
	ask_for(2, "lamp-1", ECDSA, "its bytes");
	until_quiet();
	ask_for(3, "lamp-1", ECDSA, "its bytes");
	ask_for(4, "lamp-1", ECDSA, "other bytes");
	until_quiet();
	await_error(4, MM_E_PARTITION_SIGNED);
	box.hold[TOKEN] = false;
	first = await_signed(2);
	assert_same(&first, 3);
	assert_int_equal(logged(MM_ENTRY_PARTITION), 1);
}

/* Whichever was read first. */
static void
two_at_once(void **unused)
{
	size_t refused = 0;

	(void)unused;
	issue(1, "lamp-1");
	box.hold_inspectors = true;
	ask_for(2, "lamp-1", ECDSA, "its bytes");
	ask_for(3, "lamp-1", ECDSA, "other bytes");
	until_quiet();
	box.hold_inspectors = false;
	for (uint8_t id = 2; id <= 3; id++) {
		struct mm_envelope envelope = await(id);
		struct mm_error_answer error;

		if (envelope.type != MM_MESSAGE_ERROR)
			continue;
		ok(mm_shape_decode(&mm_error_answer_shape, envelope.body,
		    &mint.arena, &error));
		assert_int_equal(error.code, MM_E_PARTITION_SIGNED);
		refused++;
	}
	assert_int_equal(refused, 1);
	assert_int_equal(logged(MM_ENTRY_PARTITION), 1);
}

/* --- what is refused --- */

static void
refuses(const char *device, const char *scheme, const char *bytes,
    enum mm_error wanted)
{
	ask_for(99, device, scheme, bytes);
	await_error(99, wanted);
}

static void
other_bytes(void **unused)
{
	(void)unused;
	issue(1, "lamp-1");
	ask_for(2, "lamp-1", ECDSA, "its bytes");
	(void)await_signed(2);
	refuses("lamp-1", ECDSA, "other bytes", MM_E_PARTITION_SIGNED);
	until_logged(MM_ENTRY_REFUSAL, 1);
	assert_true(mm_span_is(last_refusal()->subject, "lamp-1"));
	assert_true(mm_span_is(last_refusal()->order, "order"));
	assert_true(
	    mm_span_is(last_refusal()->reason, "partition-already-signed"));
}

static void
what_lies_in_it(void **unused)
{
	struct mm_signature_block block = {
	    .family = text("secure-cert"), .algorithm = text("P-256")};
	uint8_t other[32] = {1};

	(void)unused;
	issue(1, "lamp-1");
	own.plain_key = true;
	refuses("lamp-1", ECDSA, "a", MM_E_PARTITION);
	own.plain_key = false;
	box.facts.trailing = 1;
	refuses("lamp-1", ECDSA, "a", MM_E_PARTITION);
	box.facts.trailing = 0;
	box.facts.signatures = (struct mm_list){&block, 1};
	refuses("lamp-1", ECDSA, "a", MM_E_PARTITION);
	box.facts.signatures.count = 0;
	box.fault = text("64 TLVs");
	refuses("lamp-1", ECDSA, "a", MM_E_PARTITION);
	box.fault = mm_span(NULL, 0);
	own.certificate = mm_span(other, 32);
	refuses("lamp-1", ECDSA, "a", MM_E_PARTITION);
	own.certificate = mm_span(NULL, 0);
	refuses("lamp-1", ECDSA, "a", MM_E_PARTITION);
	box.facts.secure_cert.count = 0;
	refuses("lamp-1", ECDSA, "a", MM_E_PARTITION);
	assert_int_equal(logged(MM_ENTRY_PARTITION), 0);
}

static void
what_cannot_be_read(void **unused)
{
	(void)unused;
	issue(1, "lamp-1");
	box.inspectors_say = MM_E_IMAGE;
	refuses("lamp-1", ECDSA, "a", MM_E_PARTITION);
	box.inspectors_say = MM_E_IMAGE_SIZE;
	refuses("lamp-1", ECDSA, "a", MM_E_IMAGE_SIZE);
	box.inspectors_say = MM_OK;
	box.inspectors_die = true;
	refuses("lamp-1", ECDSA, "a", MM_E_INSPECTOR);
	assert_int_equal(logged(MM_ENTRY_PARTITION), 0);
}

static void
who_may_ask(void **unused)
{
	struct mm_partition_ask what = {
	    text("order"), text("lamp-1"), text(ECDSA)};
	int fd = sealed(text("its bytes"));

	(void)unused;
	issue(1, "lamp-1");
	box.inspected = 0;
	ask_as(box.officer_key, 2, &what, fd);
	await_error(2, MM_E_ROLE);
	ask_as(box.release_key, 3, &what, fd);
	await_error(3, MM_E_ROLE);
	ask_as(make_spki(), 4, &what, fd);
	await_error(4, MM_E_PRINCIPAL);
	/* A process is started for nobody who may not ask at all. */
	assert_int_equal(box.inspected, 0);
	ask_as(box.station_key, 5, &what, -1);
	await_error(5, MM_E_UPLOAD);
	what.order = text("other");
	ask_as(box.station_key, 6, &what, fd);
	await_error(6, MM_E_ORDER);
	close(fd);
}

static void
which_signing(void **unused)
{
	(void)unused;
	issue(1, "lamp-1");
	refuses("lamp-1", "mcuboot", "a", MM_E_SCHEME);
	refuses("lamp-1", ECDSA ":codesign", "a", MM_E_SCHEME);
	/* The profile has it; the mint has no such key. */
	refuses("lamp-1", RSA, "a", MM_E_KEY_ABSENT);
}

static void
whose_certificate(void **unused)
{
	struct mm_certificate_answer answer;

	(void)unused;
	refuses("lamp-1", ECDSA, "a", MM_E_NOT_FOUND);
	answer = issue(1, "lamp-1");
	revoke_it(2, &answer, 6);
	refuses("lamp-1", ECDSA, "a", MM_E_REVOKED);
	revoke_it(3, &answer, 8);
	ask_for(4, "lamp-1", ECDSA, "a");
	(void)await_signed(4);
	revoke_it(5, &answer, 1);
	refuses("lamp-1", ECDSA, "a", MM_E_NOT_FOUND);
}

static void
a_certificate_without_signature(void **unused)
{
	(void)unused;
	issue(1, "lamp-1");
	until_quiet();
	box.hold[TOKEN] = true;
	ask_issue(2, "lamp-2", make_spki());
	until_quiet();
	refuses("lamp-2", ECDSA, "a", MM_E_BUSY);
	box.hold[TOKEN] = false;
	(void)await_certificate(2);
}

/* It came while the certificate was being read. */
static void
revoked_in_the_midst_of_it(void **unused)
{
	struct mm_certificate_answer answer = issue(1, "lamp-1");

	(void)unused;
	until_quiet();
	box.hold[ARCHIVE] = true;
	ask_for(2, "lamp-1", ECDSA, "a");
	until_quiet();
	revoke_it(3, &answer, 1);
	box.hold[ARCHIVE] = false;
	await_error(2, MM_E_NOT_FOUND);
	assert_int_equal(logged(MM_ENTRY_PARTITION), 0);
}

static void
allow_reissues(uint8_t id)
{
	struct mm_order_claim claim = {.name = text("order"),
	    .profile = text("device"),
	    .units = 100,
	    .devices = {.pattern = text("*")},
	    .stations = TEXTS("station"),
	    .until = box.moment + DAY,
	    .revision = 1,
	    .reissue = 1};

	bring(id, MM_STATEMENT_ORDER, &claim);
}

/* Another certificate came while the former one was being read. */
static void
replaced_in_the_midst_of_it(void **unused)
{
	struct mm_issue_ask again = {.order = text("order"),
	    .profile = text("device"),
	    .device = text("lamp-1"),
	    .spki = make_spki(),
	    .reissue = true};

	(void)unused;
	issue(1, "lamp-1");
	allow_reissues(2);
	until_quiet();
	box.hold[ARCHIVE] = true;
	ask_for(3, "lamp-1", ECDSA, "a");
	until_quiet();
	ask(box.station_key, MM_MESSAGE_ISSUE, 4, &mm_issue_ask_shape, &again);
	(void)await_certificate(4);
	until_quiet();
	box.hold[ARCHIVE] = false;
	await_error(3, MM_E_PARTITION);
	assert_int_equal(logged(MM_ENTRY_PARTITION), 0);
}

static void
the_archive_fails(void **unused)
{
	(void)unused;
	issue(1, "lamp-1");
	until_quiet();
	box.archive_says = MM_E_STORE;
	ask_for(2, "lamp-1", ECDSA, "a");
	(void)await(2);
	box.archive_says = MM_OK;
	ask_for(3, "lamp-1", ECDSA, "a");
	(void)await_signed(3);
}

static void
a_closed_order(void **unused)
{
	(void)unused;
	issue(1, "lamp-1");
	close_order(2);
	refuses("lamp-1", ECDSA, "a", MM_E_ORDER_CLOSED);
}

static void
one_request_id(void **unused)
{
	(void)unused;
	issue(1, "lamp-1");
	ask_for(2, "lamp-1", ECDSA, "its bytes");
	(void)await_signed(2);
	ask_for(2, "lamp-1", ECDSA, "other bytes");
	await_error(2, MM_E_REQUEST_REUSED);
	/* That of the certificate. */
	ask_for(1, "lamp-1", ECDSA, "its bytes");
	await_error(1, MM_E_REQUEST_REUSED);
}

/* --- what does not go well --- */

static void
what_does_not_hold_is_never_given_out(void **unused)
{
	(void)unused;
	issue(1, "lamp-1");
	box.prove_says = MM_E_IMAGE_SIGNATURE;
	ask_for(2, "lamp-1", ECDSA, "a");
	await_error(2, MM_E_IMAGE_SIGNATURE);
	ask_for(3, "lamp-1", ECDSA, "a");
	await_error(3, MM_E_IMAGE_SIGNATURE);
	box.prove_says = MM_OK;
	ask_for(4, "lamp-1", ECDSA, "a");
	(void)await_signed(4);
	assert_int_equal(logged(MM_ENTRY_PARTITION), 1);
}

static void
what_the_token_refuses_is_void(void **unused)
{
	(void)unused;
	issue(1, "lamp-1");
	box.token_says = MM_E_TOKEN_REFUSED;
	ask_for(2, "lamp-1", ECDSA, "a");
	await_error(2, MM_E_TOKEN_REFUSED);
	until_logged(MM_ENTRY_VOID, 1);
	box.token_says = MM_OK;
	/* Then others may come. */
	ask_for(3, "lamp-1", ECDSA, "other bytes");
	(void)await_signed(3);
	assert_int_equal(logged(MM_ENTRY_PARTITION), 2);
}

static void
a_full_disk(void **unused)
{
	(void)unused;
	issue(1, "lamp-1");
	box.notary_says = MM_E_DISK_FULL;
	ask_for(2, "lamp-1", ECDSA, "a");
	await_error(2, MM_E_DISK_FULL);
	box.notary_says = MM_OK;
	ask_for(3, "lamp-1", ECDSA, "a");
	(void)await_signed(3);
}

/* Logged, and not signed: it is signed once after the start. */
static void
a_crash_before_the_signature(void **unused)
{
	struct mm_partition_answer answer;

	(void)unused;
	issue(1, "lamp-1");
	until_quiet();
	box.hold[TOKEN] = true;
	ask_for(2, "lamp-1", ECDSA, "a");
	until_logged(MM_ENTRY_PARTITION, 1);
	crash();
	box.hold[TOKEN] = false;
	start_again();
	ask_for(3, "lamp-1", ECDSA, "a");
	answer = await_signed(3);
	assert_int_equal(logged(MM_ENTRY_PARTITION), 1);
	assert_true(mm_span_is(entry_at(answer.index).device, "lamp-1"));
	assert_int_equal(logged(MM_ENTRY_VOID), 0);
}

/* The same, but the order ends, or the certificate, before it is signed. */
static void
a_crash_and_it_may_not_be_signed(void **unused)
{
	struct mm_certificate_answer answer = issue(1, "lamp-1");

	(void)unused;
	until_quiet();
	box.hold[TOKEN] = true;
	ask_for(2, "lamp-1", ECDSA, "a");
	until_logged(MM_ENTRY_PARTITION, 1);
	revoke_it(3, &answer, 1);
	crash();
	box.hold[TOKEN] = false;
	start_again();
	until_logged(MM_ENTRY_VOID, 1);
	refuses("lamp-1", ECDSA, "a", MM_E_NOT_FOUND);
}

/* Nobody waits for an answer any more; nothing is left behind. */
static void
a_stop_in_the_midst_of_it(void **unused)
{
	(void)unused;
	issue(1, "lamp-1");
	box.hold_inspectors = true;
	ask_for(2, "lamp-1", ECDSA, "a");
	until_quiet();
	assert_int_equal(stop(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {TEST(a_partition_is_signed),
	    TEST(the_same_again), TEST(several_wait_for_one), TEST(two_at_once),
	    TEST(other_bytes), TEST(what_lies_in_it), TEST(what_cannot_be_read),
	    TEST(who_may_ask), TEST(which_signing), TEST(whose_certificate),
	    TEST(a_certificate_without_signature),
	    TEST(revoked_in_the_midst_of_it), TEST(replaced_in_the_midst_of_it),
	    TEST(the_archive_fails), TEST(a_closed_order), TEST(one_request_id),
	    TEST(what_does_not_hold_is_never_given_out),
	    TEST(what_the_token_refuses_is_void), TEST(a_full_disk),
	    TEST(a_crash_before_the_signature),
	    TEST(a_crash_and_it_may_not_be_signed),
	    TEST(a_stop_in_the_midst_of_it)};

	return cmocka_run_group_tests(tests, make_world, drop_world);
}
