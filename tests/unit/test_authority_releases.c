/*
 * Releases, from an image that comes to signatures that are fetched: what is
 * refused, what is kept, who waits for what, and what a crash leaves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>

#include "protocol/sealed.h"
#include "tests/unit/authority_box.h"

/* --- what is asked --- */

static struct mm_span
image_of(char fill, size_t size)
{
	uint8_t *bytes = mm_arena_alloc(&mint.arena, size);

	assert_non_null(bytes);
	memset(bytes, fill, size);
	return mm_span(bytes, size);
}

static void
digest_image(struct mm_span image, uint8_t out[32])
{
	crypto_hash_sha256(out, image.data, image.size);
}

static int
sealed(struct mm_span image)
{
	int fd = memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, image.data, image.size), image.size);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, MM_SEALS), 0);
	return fd;
}

static void
ask_with(struct mm_span who, uint8_t id, struct mm_span body,
    const uint8_t announced[32], int fd)
{
	struct mm_ask message = {.connection = 7,
	    .type = MM_MESSAGE_SUBMIT,
	    .serial = text("\x07"),
	    .body = body};
	mm_auto(buffer) packet = {0};

	memcpy(message.announced, announced, 32);
	memset(message.id, id, sizeof(message.id));
	digest_of(who, message.client);
	mm_buffer_init(&packet, MM_CHANNEL_MAX);
	ok(mm_packet_encode(MM_ASK, 0, &mm_ask_shape, &message, &packet));
	ok(mm_channel_send_bytes(
	    box.fds[GATE], mm_buffer_span(&packet), (const int[]){fd, -1}));
}

static void
submit_as(struct mm_span who, uint8_t id, const char *product,
    const char *version, struct mm_span image)
{
	struct mm_submit_request request = {
	    .product = text(product), .version = text(version)};
	mm_auto(buffer) body = {0};
	uint8_t sha256[32];
	int fd = sealed(image);

	mm_buffer_init(&body, MM_FRAME_MAX);
	ok(mm_shape_encode(&mm_submit_request_shape, &request, &body));
	digest_image(image, sha256);
	ask_with(who, id, mm_buffer_span(&body), sha256, fd);
	close(fd);
}

static void
submit(
    uint8_t id, const char *product, const char *version, struct mm_span image)
{
	submit_as(box.release_key, id, product, version, image);
}

static void
read_answer(const struct mm_shape *shape, uint8_t id, void *out)
{
	struct mm_envelope envelope = await(id);
	struct mm_error_answer error;

	if (envelope.type == MM_MESSAGE_ERROR) {
		ok(mm_shape_decode(&mm_error_answer_shape, envelope.body,
		    &mint.arena, &error));
		fail_msg("%d: %.*s", id, MM_SPAN(error.text));
	}
	ok(mm_shape_decode(shape, envelope.body, &mint.arena, out));
}

static struct mm_submit_answer
await_submitted(uint8_t id, uint64_t state)
{
	struct mm_submit_answer answer;

	read_answer(&mm_submit_answer_shape, id, &answer);
	assert_int_equal(answer.state, state);
	return answer;
}

static void
fetch(uint8_t id, const char *product, const char *version, const char *scheme)
{
	struct mm_fetch_request request = {
	    text(product), text(version), text(scheme)};

	ask(box.release_key, MM_MESSAGE_FETCH, id, &mm_fetch_request_shape,
	    &request);
}

static struct mm_release_answer
await_release(uint8_t id)
{
	struct mm_release_answer answer;

	read_answer(&mm_release_answer_shape, id, &answer);
	assert_true(answer.signature.size > 0 && answer.receipt.size > 0);
	assert_true(answer.certificate.size > 0);
	assert_true(mm_span_is(answer.key, "codesign"));
	assert_true(mm_span_equal(answer.spki,
	    mm_list_at(mint.keys, struct mm_genesis_key, 3)->spki));
	return answer;
}

static struct mm_list
list_releases(uint8_t id, const char *product, const char *version)
{
	struct mm_releases_request request = {
	    .product = text(product), .version = text(version)};
	struct mm_releases_answer answer;

	ask(box.release_key, MM_MESSAGE_RELEASES, id,
	    &mm_releases_request_shape, &request);
	read_answer(&mm_releases_answer_shape, id, &answer);
	return answer.releases;
}

/* --- what is stated --- */

static const char *const duo[] = {"sha256-ecdsa", "cose-sign1"};

static struct mm_list
claim_of(const char *product, const char *version, struct mm_span image,
    const uint8_t *other_digest)
{
	bool lamp = strcmp(product, "lamp") == 0;
	struct mm_scheme_digest digests[2];
	struct mm_release_claim claim = {.product = text(product),
	    .version = text(version),
	    .size = image.size,
	    .schemes = {digests, lamp ? 1 : 2}};

	digest_image(image, claim.sha256);
	for (size_t i = 0; i < 2; i++) {
		digests[i].scheme = text(duo[i]);
		memcpy(digests[i].digest, claim.sha256, 32);
	}
	/* Of the last one; the first is known by the hash. */
	if (other_digest != NULL)
		memcpy(digests[lamp ? 0 : 1].digest, other_digest, 32);
	return say(MM_STATEMENT_RELEASE, &claim);
}

static void
bring_as(struct mm_span who, uint8_t id, struct mm_list statements)
{
	struct mm_statement_ask asked = {.statements = statements};

	ask(who, MM_MESSAGE_STATEMENT, id, &mm_statement_ask_shape, &asked);
}

static void
approve(
    uint8_t id, const char *product, const char *version, struct mm_span image)
{
	bring_as(box.release_key, id, claim_of(product, version, image, NULL));
	assert_int_equal(await_stated(id).missing, 0);
}

static uint64_t
kind_at(uint64_t index)
{
	struct mm_entry entry;

	ok(mm_entry_decode(mint.log.entries[index], &mint.arena, &entry));
	return entry.kind;
}

/* Signatures over images in the log. */
static size_t
signed_images(void)
{
	size_t count = 0;

	for (uint64_t i = box.base; i < mint.log.size; i++) {
		struct mm_signatures_entry body;
		struct mm_entry entry;

		if (mm_entry_decode_as(mint.log.entries[i], MM_ENTRY_SIGNATURES,
			&mint.arena, &entry, &body) != MM_OK)
			continue;
		for (mm_list_each(
			 const struct mm_signature, one, body.signatures))
			count += kind_at(one->index) == MM_ENTRY_IMAGE;
	}
	return count;
}

static void
until_signed(size_t count)
{
	while (signed_images() < count)
		if (!turn(WAIT_MS))
			fail_msg("it is not signed");
}

/* --- images that are kept --- */

static void
path_of(struct mm_span image, char out[512])
{
	char name[65];
	uint8_t sha256[32];

	digest_image(image, sha256);
	sodium_bin2hex(name, sizeof(name), sha256, sizeof(sha256));
	snprintf(out, 512, "%s/images/%s", box.directory, name);
}

static bool
is_kept(struct mm_span image)
{
	char path[512];

	path_of(image, path);
	return access(path, F_OK) == 0;
}

static size_t
count_files(void)
{
	char path[512];
	size_t count = 0;
	DIR *directory;

	snprintf(path, sizeof(path), "%s/images", box.directory);
	directory = opendir(path);
	assert_non_null(directory);
	for (const struct dirent *e; (e = readdir(directory)) != NULL;)
		count += e->d_name[0] != '.';
	closedir(directory);
	return count;
}

/* What was dropped goes after the answer. */
static void
until_no_files(void)
{
	for (int i = 0; count_files() > 0; i++) {
		if (i == WAIT_MS / QUIET_MS)
			fail_msg("an image is kept");
		turn(QUIET_MS);
	}
}

static void
spoil(struct mm_span image)
{
	char path[512];
	int fd;

	path_of(image, path);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "?", 1, 0), 1);
	close(fd);
}

static void
start_again(void)
{
	spawn();
	until(is_serving);
	until_quiet();
}

/* --- the tests --- */

static void
from_an_image_to_its_signature(void **unused)
{
	struct mm_span image = image_of('a', 5000);
	struct mm_submit_answer answer;
	struct mm_list rows;
	const struct mm_release_row *row;

	(void)unused;
	submit(1, "lamp", "1", image);
	answer = await_submitted(1, MM_RELEASE_KEPT);
	assert_int_equal(answer.size, 5000);
	assert_true(mm_span_is(answer.format, "plain"));
	assert_int_equal(answer.rules.count, 14);
	assert_true(is_kept(image));
	assert_int_equal(logged(MM_ENTRY_IMAGE), 0);
	fetch(2, "lamp", "1", "sha256-ecdsa");
	await_error(2, MM_E_RELEASE);
	approve(3, "lamp", "1", image);
	/* Nobody has to ask for it. */
	until_signed(1);
	until_quiet();
	assert_int_equal(box.proved, 1);
	fetch(4, "lamp", "1", "sha256-ecdsa");
	(void)await_release(4);
	assert_int_equal(box.proved, 1);
	submit(5, "lamp", "1", image);
	(void)await_submitted(5, MM_RELEASE_SIGNED);
	rows = list_releases(6, "lamp", "1");
	assert_int_equal(rows.count, 1);
	row = mm_list_at(rows, struct mm_release_row, 0);
	assert_int_equal(row->state, MM_RELEASE_SIGNED);
	assert_true(row->kept);
	assert_int_equal(row->size, 5000);
	assert_int_equal(row->signings.count, 1);
	assert_true(
	    mm_list_at(row->signings, struct mm_release_signing, 0)->is_signed);
}

static void
approved_before_it_comes(void **unused)
{
	struct mm_span image = image_of('b', 100);

	(void)unused;
	approve(1, "duo", "1.0.0", image);
	fetch(2, "duo", "1.0.0", "cose-sign1");
	await_error(2, MM_E_IMAGE_ABSENT);
	submit(3, "duo", "1.0.0", image);
	(void)await_submitted(3, MM_RELEASE_APPROVED);
	fetch(4, "duo", "1.0.0", "cose-sign1");
	fetch(5, "duo", "1.0.0", "sha256-ecdsa");
	assert_int_not_equal(await_release(4).index, await_release(5).index);
	assert_int_equal(logged(MM_ENTRY_IMAGE), 2);
	assert_int_equal(box.proved, 1);
	assert_int_equal(box.proved_signatures, 2);
	fetch(6, "duo", "1.0.0", "mcuboot");
	await_error(6, MM_E_SCHEME);
}

static void
what_breaks_a_rule_is_told_and_logged(void **unused)
{
	struct mm_submit_answer answer;
	size_t failed = 0;

	(void)unused;
	submit(1, "duo", "one", image_of('c', 100));
	answer = await_submitted(1, MM_RELEASE_REFUSED);
	for (mm_list_each(const struct mm_rule_row, row, answer.rules))
		failed += row->verdict == MM_RULE_FAILED;
	assert_int_equal(failed, 1);
	until_no_files();
	until_logged(MM_ENTRY_REFUSAL, 1);
	assert_true(mm_span_is(last_refusal()->request, "submit"));
	assert_true(mm_span_is(last_refusal()->subject, "duo one"));
	assert_true(mm_span_is(last_refusal()->reason, "image-against-rules"));
	/* A signing that this image cannot have. */
	box.fault = text("it is too short");
	submit(2, "lamp", "1", image_of('c', 100));
	(void)await_submitted(2, MM_RELEASE_REFUSED);
}

static void
versions_go_up(void **unused)
{
	struct mm_span two = image_of('2', 50), one = image_of('1', 50);

	(void)unused;
	submit(1, "duo", "2.0.0", two);
	(void)await_submitted(1, MM_RELEASE_KEPT);
	approve(2, "duo", "2.0.0", two);
	until_signed(1);
	submit(3, "duo", "1.0.0", one);
	(void)await_submitted(3, MM_RELEASE_REFUSED);
	bring_as(box.release_key, 4, claim_of("duo", "1.0.0", one, NULL));
	await_error(4, MM_E_IMAGE_RULES);
	submit(5, "duo", "2.0.0", one);
	await_error(5, MM_E_RELEASE_EXISTS);
	bring_as(box.release_key, 6, claim_of("duo", "2.0.0", one, NULL));
	await_error(6, MM_E_RELEASE_EXISTS);
	submit(7, "duo", "2.0.1", one);
	(void)await_submitted(7, MM_RELEASE_KEPT);
}

/* Both were approved while nothing could be signed: what was right then is not
 * any more when its turn comes. */
static void
rules_are_asked_again_at_the_signing(void **unused)
{
	struct mm_span two = image_of('2', 50), one = image_of('1', 50);

	(void)unused;
	submit(1, "duo", "1.0.0", one);
	(void)await_submitted(1, MM_RELEASE_KEPT);
	submit(2, "duo", "2.0.0", two);
	(void)await_submitted(2, MM_RELEASE_KEPT);
	unlink_from(TOKEN);
	until_quiet();
	approve(3, "duo", "2.0.0", two);
	until_quiet();
	approve(4, "duo", "1.0.0", one);
	until_quiet();
	replace(TOKEN);
	until_signed(2);
	until_quiet();
	fetch(5, "duo", "2.0.0", "cose-sign1");
	(void)await_release(5);
	fetch(6, "duo", "1.0.0", "cose-sign1");
	await_error(6, MM_E_IMAGE_RULES);
	assert_int_equal(logged(MM_ENTRY_IMAGE), 2);
	assert_int_equal(signed_images(), 2);
}

/* Its signatures are proven before they are given out again, and a newer
 * version is no reason against that. */
static void
an_older_release_is_given_out_again(void **unused)
{
	struct mm_span one = image_of('1', 50), two = image_of('2', 50);
	char path[512];

	(void)unused;
	box.facts.secure_version = 1;
	submit(1, "duo", "1.0.0", one);
	(void)await_submitted(1, MM_RELEASE_KEPT);
	approve(2, "duo", "1.0.0", one);
	until_signed(2);
	box.facts.secure_version = 2;
	submit(3, "duo", "2.0.0", two);
	(void)await_submitted(3, MM_RELEASE_KEPT);
	approve(4, "duo", "2.0.0", two);
	until_signed(4);
	path_of(one, path);
	assert_int_equal(unlink(path), 0);
	crash();
	start_again();
	fetch(5, "duo", "1.0.0", "cose-sign1");
	await_error(5, MM_E_IMAGE_ABSENT);
	box.facts.secure_version = 1;
	submit(6, "duo", "1.0.0", two);
	await_error(6, MM_E_RELEASE_EXISTS);
	submit(7, "duo", "1.0.0", one);
	(void)await_submitted(7, MM_RELEASE_SIGNED);
	fetch(8, "duo", "1.0.0", "cose-sign1");
	(void)await_release(8);
	assert_int_equal(signed_images(), 4);
}

static void
a_lower_secure_version_is_refused(void **unused)
{
	struct mm_span image = image_of('s', 50);

	(void)unused;
	box.facts.secure_version = 3;
	submit(1, "lamp", "1", image);
	(void)await_submitted(1, MM_RELEASE_KEPT);
	approve(2, "lamp", "1", image);
	until_signed(1);
	box.facts.secure_version = 2;
	submit(3, "lamp", "2", image_of('t', 50));
	(void)await_submitted(3, MM_RELEASE_REFUSED);
	box.facts.secure_version = 3;
	submit(4, "lamp", "2", image_of('t', 50));
	(void)await_submitted(4, MM_RELEASE_KEPT);
	crash();
	start_again();
	box.facts.secure_version = 2;
	submit(5, "lamp", "2", image_of('t', 50));
	(void)await_submitted(5, MM_RELEASE_REFUSED);
}

static void
another_image_of_an_approved_version(void **unused)
{
	(void)unused;
	approve(1, "lamp", "1", image_of('d', 10));
	submit(2, "lamp", "1", image_of('e', 10));
	await_error(2, MM_E_RELEASE_EXISTS);
	until_no_files();
}

static void
a_digest_that_is_not_the_images(void **unused)
{
	static const uint8_t wrong[32] = {1};
	struct mm_span image = image_of('f', 10);

	(void)unused;
	submit(1, "duo", "1.0.0", image);
	(void)await_submitted(1, MM_RELEASE_KEPT);
	bring_as(box.release_key, 2, claim_of("duo", "1.0.0", image, wrong));
	assert_int_equal(await_stated(2).missing, 0);
	until_quiet();
	fetch(3, "duo", "1.0.0", "cose-sign1");
	await_error(3, MM_E_RELEASE);
	assert_int_equal(logged(MM_ENTRY_IMAGE), 0);
	/* Nothing is signed yet: a right statement comes in its place. */
	approve(4, "duo", "1.0.0", image);
	fetch(5, "duo", "1.0.0", "cose-sign1");
	(void)await_release(5);
}

/* What is known without the image is not approved at all. */
static void
a_digest_that_is_not_the_hash(void **unused)
{
	static const uint8_t wrong[32] = {1};
	struct mm_span image = image_of('f', 10);

	(void)unused;
	bring_as(box.release_key, 1, claim_of("lamp", "1", image, wrong));
	await_error(1, MM_E_RELEASE);
	assert_int_equal(logged(MM_ENTRY_RELEASE), 0);
}

static void
an_image_changed_between_submit_and_approve(void **unused)
{
	struct mm_span image = image_of('g', 10);

	(void)unused;
	submit(1, "lamp", "1", image);
	(void)await_submitted(1, MM_RELEASE_KEPT);
	spoil(image);
	approve(2, "lamp", "1", image);
	until_quiet();
	assert_int_equal(logged(MM_ENTRY_IMAGE), 0);
	assert_false(is_kept(image));
	fetch(3, "lamp", "1", "sha256-ecdsa");
	await_error(3, MM_E_IMAGE_ABSENT);
	submit(4, "lamp", "1", image);
	(void)await_submitted(4, MM_RELEASE_APPROVED);
	fetch(5, "lamp", "1", "sha256-ecdsa");
	(void)await_release(5);
}

static void
what_does_not_hold_is_never_given_out(void **unused)
{
	struct mm_span image = image_of('h', 10);
	struct mm_list rows;

	(void)unused;
	submit(1, "lamp", "1", image);
	(void)await_submitted(1, MM_RELEASE_KEPT);
	box.prove_says = MM_E_IMAGE_SIGNATURE;
	approve(2, "lamp", "1", image);
	until_signed(1);
	until_quiet();
	fetch(3, "lamp", "1", "sha256-ecdsa");
	await_error(3, MM_E_IMAGE_SIGNATURE);
	rows = list_releases(4, "", "");
	assert_int_equal(mm_list_at(rows, struct mm_release_row, 0)->state,
	    MM_RELEASE_APPROVED);
	crash();
	start_again();
	fetch(5, "lamp", "1", "sha256-ecdsa");
	await_error(5, MM_E_IMAGE_SIGNATURE);
}

/* Nothing is read: only digests come. */
static void
a_product_that_nobody_reads(void **unused)
{
	struct mm_span image = image_of('i', 10);

	(void)unused;
	submit(1, "blind", "1", image);
	await_error(1, MM_E_PRODUCT);
	fetch(2, "blind", "1", "cose-sign1");
	await_error(2, MM_E_RELEASE);
	approve(3, "blind", "1", image);
	fetch(4, "blind", "1", "cose-sign1");
	(void)await_release(4);
	fetch(5, "blind", "1", "sha256-ecdsa");
	(void)await_release(5);
	assert_int_equal(box.started, 0);
	assert_int_equal(logged(MM_ENTRY_IMAGE), 2);
}

static void
a_statement_names_all_signings(void **unused)
{
	struct mm_scheme_digest digest = {text("cose-sign1"), {1}};
	struct mm_release_claim claim = {.product = text("duo"),
	    .version = text("1.0.0"),
	    .size = 5,
	    .schemes = {&digest, 1}};

	(void)unused;
	bring_as(box.release_key, 1, say(MM_STATEMENT_RELEASE, &claim));
	await_error(1, MM_E_RELEASE);
	claim.version = text("new");
	bring_as(
	    box.release_key, 2, claim_of("duo", "new", image_of('j', 5), NULL));
	await_error(2, MM_E_IMAGE_RULES);
}

static void
a_release_engineer_states_releases_only(void **unused)
{
	(void)unused;
	bring_as(box.release_key, 1,
	    principal_statements("eve", MM_ROLE_STATION, make_spki()));
	await_error(1, MM_E_ROLE);
	bring_as(
	    box.station_key, 2, claim_of("lamp", "1", image_of('k', 5), NULL));
	await_error(2, MM_E_ROLE);
	submit_as(box.officer_key, 3, "lamp", "1", image_of('k', 5));
	await_error(3, MM_E_ROLE);
	assert_int_equal(box.started, 0);
}

static void
what_cannot_be_read_is_refused(void **unused)
{
	struct mm_span image = image_of('l', 10);
	static const uint8_t other[32] = {1};
	struct mm_submit_request request = {
	    .product = text("lamp"), .version = text("1")};
	mm_auto(buffer) body = {0};
	int fd = sealed(image);

	(void)unused;
	box.inspectors_say = MM_E_IMAGE;
	submit(1, "lamp", "1", image);
	await_error(1, MM_E_IMAGE);
	until_logged(MM_ENTRY_REFUSAL, 1);
	box.inspectors_say = MM_OK;
	box.inspectors_die = true;
	submit(2, "lamp", "1", image);
	await_error(2, MM_E_INSPECTOR);
	box.inspectors_die = false;
	box.inspectors_copy_less = true;
	submit(3, "lamp", "1", image);
	await_error(3, MM_E_INSPECTOR);
	box.inspectors_copy_less = false;
	mm_buffer_init(&body, MM_FRAME_MAX);
	ok(mm_shape_encode(&mm_submit_request_shape, &request, &body));
	ask_with(box.release_key, 4, mm_buffer_span(&body), other, fd);
	await_error(4, MM_E_UPLOAD);
	ask_with(box.release_key, 5, mm_buffer_span(&body), other, -1);
	await_error(5, MM_E_UPLOAD);
	close(fd);
	submit(6, "toaster", "1", image);
	await_error(6, MM_E_PRODUCT);
	submit(7, "lamp", "1", image_of('l', (1 << 20) + 1));
	await_error(7, MM_E_IMAGE_SIZE);
	until_no_files();
}

/* What was refused leaves its room. */
static void
room_for_images_ends(void **unused)
{
	struct mm_span image = image_of('m', 1 << 20);

	(void)unused;
	for (uint8_t i = 0; i < 4; i++) {
		char version[] = {(char)('1' + i), '\0'};

		image = image_of((char)('m' + i), 1 << 20);
		box.fault = text("no");
		submit((uint8_t)(2 * i + 1), "lamp", version, image);
		(void)await_submitted((uint8_t)(2 * i + 1), MM_RELEASE_REFUSED);
		box.fault = mm_span(NULL, 0);
		submit((uint8_t)(2 * i + 2), "lamp", version, image);
		(void)await_submitted((uint8_t)(2 * i + 2), MM_RELEASE_KEPT);
	}
	submit(20, "lamp", "9", image_of('z', 1));
	await_error(20, MM_E_IMAGES_FULL);
	crash();
	start_again();
	submit(21, "lamp", "9", image_of('z', 1));
	await_error(21, MM_E_IMAGES_FULL);
	/* The same image once more wants room for a moment too. */
	submit(22, "lamp", "4", image);
	await_error(22, MM_E_IMAGES_FULL);
}

static void
inspectors_are_few_and_block_nobody(void **unused)
{
	(void)unused;
	box.hold_inspectors = true;
	for (uint8_t i = 1; i <= 9; i++)
		submit(i, "lamp", "1", image_of((char)('a' + i), 10));
	ask_issue(50, "device-1", make_spki());
	(void)await_certificate(50);
	until_quiet();
	assert_int_equal(box.started, 4);
	box.hold_inspectors = false;
	for (uint8_t i = 1; i <= 9; i++)
		(void)await_submitted(i, MM_RELEASE_KEPT);
	assert_int_equal(box.inspected, 9);
}

static void
several_wait_for_one_signing(void **unused)
{
	struct mm_span image = image_of('n', 10);

	(void)unused;
	submit(1, "duo", "1.0.0", image);
	(void)await_submitted(1, MM_RELEASE_KEPT);
	box.hold_inspectors = true;
	approve(2, "duo", "1.0.0", image);
	for (uint8_t i = 10; i < 20; i++)
		fetch(i, "duo", "1.0.0", duo[i % 2]);
	until_quiet();
	box.hold_inspectors = false;
	for (uint8_t i = 10; i < 20; i++)
		(void)await_release(i);
	assert_int_equal(box.proved, 1);
	assert_int_equal(logged(MM_ENTRY_IMAGE), 2);
}

static void
without_a_token_nobody_waits(void **unused)
{
	struct mm_span image = image_of('o', 10);

	(void)unused;
	submit(1, "lamp", "1", image);
	(void)await_submitted(1, MM_RELEASE_KEPT);
	unlink_from(TOKEN);
	until_quiet();
	approve(2, "lamp", "1", image);
	fetch(3, "lamp", "1", "sha256-ecdsa");
	await_error(3, MM_E_TOKEN_UNAVAILABLE);
	replace(TOKEN);
	until_signed(1);
	fetch(4, "lamp", "1", "sha256-ecdsa");
	(void)await_release(4);
}

static void
what_the_token_refuses_is_void(void **unused)
{
	struct mm_span image = image_of('p', 10);

	(void)unused;
	submit(1, "lamp", "1", image);
	(void)await_submitted(1, MM_RELEASE_KEPT);
	box.token_says = MM_E_RELEASE;
	approve(2, "lamp", "1", image);
	until_logged(MM_ENTRY_VOID, 1);
	until_quiet();
	assert_int_equal(logged(MM_ENTRY_IMAGE), 1);
	box.token_says = MM_OK;
	fetch(3, "lamp", "1", "sha256-ecdsa");
	(void)await_release(3);
}

static void
a_full_disk_is_tried_again(void **unused)
{
	struct mm_span image = image_of('q', 10);

	(void)unused;
	submit(1, "duo", "1.0.0", image);
	(void)await_submitted(1, MM_RELEASE_KEPT);
	box.hold_inspectors = true;
	approve(2, "duo", "1.0.0", image);
	box.notary_says = MM_E_DISK_FULL;
	box.hold_inspectors = false;
	fetch(3, "duo", "1.0.0", "cose-sign1");
	await_error(3, MM_E_DISK_FULL);
	box.notary_says = MM_OK;
	until_signed(1);
	fetch(4, "duo", "1.0.0", "cose-sign1");
	(void)await_release(4);
}

/* --- a crash at each step --- */

static void
crash_while_it_is_read(struct mm_span image)
{
	box.hold_inspectors = true;
	submit(1, "duo", "1.0.0", image);
	until_quiet();
	assert_int_equal(box.started, 1);
	crash();
	box.hold_inspectors = false;
	start_again();
	until_no_files();
}

static void
a_crash_at_each_step(void **unused)
{
	struct mm_span image = image_of('r', 10);

	(void)unused;
	crash_while_it_is_read(image);
	submit(2, "duo", "1.0.0", image);
	(void)await_submitted(2, MM_RELEASE_KEPT);
	crash();
	start_again();
	assert_true(is_kept(image));
	/* Approved, and its image is being read again. */
	box.hold_inspectors = true;
	approve(3, "duo", "1.0.0", image);
	until_quiet();
	crash();
	box.hold_inspectors = false;
	start_again();
	assert_int_equal(logged(MM_ENTRY_IMAGE), 0);
	/* Entered, and with the token. */
	box.hold[TOKEN] = true;
	fetch(4, "duo", "1.0.0", "cose-sign1");
	until_logged(MM_ENTRY_IMAGE, 2);
	until_quiet();
	crash();
	box.hold[TOKEN] = false;
	start_again();
	/* Signed, and being proven. */
	box.hold_inspectors = true;
	fetch(5, "duo", "1.0.0", "cose-sign1");
	until_signed(1);
	until_quiet();
	crash();
	box.hold_inspectors = false;
	start_again();
	fetch(6, "duo", "1.0.0", "cose-sign1");
	(void)await_release(6);
	assert_int_equal(logged(MM_ENTRY_IMAGE), 2);
	assert_int_equal(logged(MM_ENTRY_VOID), 0);
}

/* --- what is kept is given back --- */

static void
ask_image(uint8_t id, struct mm_span image, uint64_t offset, bool done)
{
	struct mm_image_request request = {.offset = offset, .done = done};

	digest_image(image, request.sha256);
	ask(box.release_key, MM_MESSAGE_IMAGE, id, &mm_image_request_shape,
	    &request);
}

static void
a_kept_image_in_pieces(void **unused)
{
	struct mm_span image = image_of('u', MM_CHUNK_MAX + 1);
	struct mm_image_answer answer;

	(void)unused;
	ask_image(1, image, 0, false);
	await_error(1, MM_E_IMAGE_ABSENT);
	submit(2, "lamp", "1", image);
	(void)await_submitted(2, MM_RELEASE_KEPT);
	ask_image(3, image, 0, false);
	read_answer(&mm_image_answer_shape, 3, &answer);
	assert_int_equal(answer.size, image.size);
	assert_int_equal(answer.data.size, MM_CHUNK_MAX);
	ask_image(4, image, MM_CHUNK_MAX, false);
	read_answer(&mm_image_answer_shape, 4, &answer);
	assert_int_equal(answer.data.size, 1);
	ask_image(5, image, MM_CHUNK_MAX + 1, false);
	await_error(5, MM_E_RANGE);
	/* Nothing of it is signed: it is needed yet. */
	ask_image(6, image, 0, true);
	read_answer(&mm_image_answer_shape, 6, &answer);
	assert_true(is_kept(image));
	approve(7, "lamp", "1", image);
	fetch(8, "lamp", "1", "sha256-ecdsa");
	(void)await_release(8);
	ask_image(9, image, 0, true);
	read_answer(&mm_image_answer_shape, 9, &answer);
	assert_int_equal(answer.data.size, 0);
	assert_false(is_kept(image));
	fetch(10, "lamp", "1", "sha256-ecdsa");
	(void)await_release(10);
}

static void
make_older(struct mm_span image, uint64_t days)
{
	time_t then = time(NULL) - (time_t)(days * DAY) - 60;
	struct timespec times[2] = {{.tv_sec = then}, {.tv_sec = then}};
	char path[512], name[65];
	uint8_t sha256[32];

	digest_image(image, sha256);
	sodium_bin2hex(name, sizeof(name), sha256, sizeof(sha256));
	snprintf(path, sizeof(path), "%s/images/%s", box.directory, name);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* The first look comes soon after the start. */
static void
images_have_their_time(void **unused)
{
	struct mm_span young = image_of('1', 10), idle = image_of('2', 10);
	struct mm_span wanted = image_of('3', 10), old = image_of('4', 10);

	(void)unused;
	submit(1, "lamp", "1", young);
	submit(2, "lamp", "2", idle);
	submit(3, "lamp", "3", wanted);
	submit(4, "lamp", "4", old);
	for (uint8_t i = 1; i <= 4; i++)
		(void)await_submitted(i, MM_RELEASE_KEPT);
	approve(5, "lamp", "3", wanted);
	approve(6, "lamp", "4", old);
	until_quiet();
	assert_int_equal(stop(), 0);
	make_older(idle, 1);
	make_older(wanted, 29);
	make_older(old, 30);
	start_again();
	/* One at a time. */
	for (int i = 0; i < 100 && (is_kept(idle) || is_kept(old)); i++)
		turn(QUIET_MS);
	until_quiet();
	assert_true(is_kept(young));
	assert_false(is_kept(idle));
	assert_true(is_kept(wanted));
	assert_false(is_kept(old));
}

/* An inspector gets the file that there was when it was asked for. */
static void
an_image_that_is_being_read_stays(void **unused)
{
	struct mm_span image = image_of('x', 10);
	struct mm_image_answer answer;

	(void)unused;
	submit(1, "lamp", "1", image);
	(void)await_submitted(1, MM_RELEASE_KEPT);
	approve(2, "lamp", "1", image);
	fetch(3, "lamp", "1", "sha256-ecdsa");
	(void)await_release(3);
	crash();
	start_again();
	/* It is to be proven again. */
	box.hold_inspectors = true;
	fetch(4, "lamp", "1", "sha256-ecdsa");
	until_quiet();
	ask_image(5, image, 0, true);
	read_answer(&mm_image_answer_shape, 5, &answer);
	assert_true(is_kept(image));
	box.hold_inspectors = false;
	(void)await_release(4);
	ask_image(6, image, 0, true);
	read_answer(&mm_image_answer_shape, 6, &answer);
	assert_false(is_kept(image));
}

/* As before releases had entries of their own. */
static void
what_brought_its_statements_is_given_out(void **unused)
{
	struct mm_span image = image_of('y', 10);
	struct mm_image_entry body = {.product = text("lamp"),
	    .version = text("0"),
	    .size = image.size,
	    .scheme = text("sha256-ecdsa"),
	    .key = text("codesign"),
	    .format = text("plain"),
	    .statements = claim_of("lamp", "0", image, NULL),
	    .principal = text("release"),
	    .request = text("0123456789abcdef")};

	(void)unused;
	assert_int_equal(stop(), 0);
	digest_image(image, body.sha256);
	digest_image(image, body.digest);
	append(MM_ENTRY_IMAGE, &body);
	append_signature(
	    mint.log.size - 1, sign_digest(box.keys[3], body.digest));
	start_again();
	fetch(1, "lamp", "0", "sha256-ecdsa");
	(void)await_release(1);
	fetch(2, "lamp", "00", "sha256-ecdsa");
	await_error(2, MM_E_RELEASE);
	submit(3, "lamp", "0", image_of('z', 10));
	await_error(3, MM_E_RELEASE_EXISTS);
}

/* The next policy has none of these products: what was begun under the former
 * one is looked at anew. */
static void
another_policy_in_the_midst_of_it(void **unused)
{
	struct mm_span image = image_of('A', 10);
	struct mm_policy_claim claim = {.number = 2};
	struct mm_statement_ask asked = {.text = text("policy 2")};

	(void)unused;
	asked.policy = make_policy(2, &mint.ada, &mint.bob);
	mm_policy_digest(asked.policy, claim.sha256);
	asked.statements = state((struct says){.kind = MM_STATEMENT_POLICY,
	    .body = &claim,
	    .by = &mint.ada,
	    .and_by = &mint.bob,
	    .time = box.moment,
	    .expiry = box.moment + DAY});
	submit(1, "duo", "1.0.0", image);
	(void)await_submitted(1, MM_RELEASE_KEPT);
	box.hold_inspectors = true;
	approve(2, "duo", "1.0.0", image);
	fetch(3, "duo", "1.0.0", "cose-sign1");
	submit(4, "lamp", "1", image);
	until_quiet();
	ask(box.officer_key, MM_MESSAGE_STATEMENT, 5, &mm_statement_ask_shape,
	    &asked);
	(void)await_stated(5);
	await_error(3, MM_E_PRODUCT);
	box.hold_inspectors = false;
	await_error(4, MM_E_BUSY);
	until_quiet();
	assert_int_equal(logged(MM_ENTRY_IMAGE), 0);
}

static void
releases_are_listed(void **unused)
{
	struct mm_list rows;

	(void)unused;
	assert_int_equal(list_releases(1, "", "").count, 0);
	approve(2, "lamp", "1", image_of('v', 10));
	approve(3, "duo", "1.0.0", image_of('w', 10));
	rows = list_releases(4, "", "");
	assert_int_equal(rows.count, 2);
	assert_true(mm_span_is(
	    mm_list_at(rows, struct mm_release_row, 1)->product, "duo"));
	assert_int_equal(mm_list_at(rows, struct mm_release_row, 1)->state,
	    MM_RELEASE_APPROVED);
	assert_false(mm_list_at(rows, struct mm_release_row, 1)->kept);
	assert_int_equal(list_releases(5, "duo", "").count, 1);
	assert_int_equal(list_releases(6, "duo", "1.0.0").count, 1);
	assert_int_equal(list_releases(7, "duo", "2.0.0").count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(from_an_image_to_its_signature),
	    TEST(approved_before_it_comes),
	    TEST(what_breaks_a_rule_is_told_and_logged),
	    TEST(versions_go_up),
	    TEST(rules_are_asked_again_at_the_signing),
	    TEST(an_older_release_is_given_out_again),
	    TEST(a_lower_secure_version_is_refused),
	    TEST(another_image_of_an_approved_version),
	    TEST(a_digest_that_is_not_the_images),
	    TEST(a_digest_that_is_not_the_hash),
	    TEST(an_image_changed_between_submit_and_approve),
	    TEST(what_does_not_hold_is_never_given_out),
	    TEST(a_product_that_nobody_reads),
	    TEST(a_statement_names_all_signings),
	    TEST(a_release_engineer_states_releases_only),
	    TEST(what_cannot_be_read_is_refused),
	    TEST(room_for_images_ends),
	    TEST(inspectors_are_few_and_block_nobody),
	    TEST(several_wait_for_one_signing),
	    TEST(without_a_token_nobody_waits),
	    TEST(what_the_token_refuses_is_void),
	    TEST(a_full_disk_is_tried_again),
	    TEST(a_crash_at_each_step),
	    TEST(a_kept_image_in_pieces),
	    TEST(images_have_their_time),
	    TEST(an_image_that_is_being_read_stays),
	    TEST(what_brought_its_statements_is_given_out),
	    TEST(another_policy_in_the_midst_of_it),
	    TEST(releases_are_listed),
	};

	return cmocka_run_group_tests(tests, make_world, drop_world);
}
