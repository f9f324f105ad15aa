/* The inspector: one image, one call, one answer; what it keeps, and what it
 * proves before a signature leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "signer/inspector.h"
#include "tests/unit/esp_make.h"
#include "tests/unit/hex.h"

#define VECTORS "tests/vectors/esp/"
#define KEYS VECTORS "keys/TEST-ONLY-"
#define V2 VECTORS "secure_boot_v2/"

enum {
	SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE,
	ARENA = 65536,
	LIMIT = 1 << 26
};

static const char sha256_abc[] =
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
static const char no_digest[] =
    "0000000000000000000000000000000000000000000000000000000000000000";

static int
make_memfd(struct mm_span bytes, int seals)
{
	int fd = memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(
	    write(fd, bytes.data, bytes.size), (ssize_t)bytes.size);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

/* An empty file that has a name only as long as `named`. */
static int
make_file(char *path, size_t size, bool named)
{
	const char *base = getenv("TMPDIR");
	int fd;

	snprintf(
	    path, size, "%.200s/mintmark.XXXXXX", base != NULL ? base : "/tmp");
	fd = mkostemp(path, O_CLOEXEC);
	assert_true(fd >= 0);
	if (!named)
		assert_int_equal(unlink(path), 0);
	return fd;
}

/*
 * Asks an inspector, which has the request before it runs: a SEQPACKET pair
 * keeps it. `ran` is how the inspector's life ended.
 */
static enum mm_error
ask_bytes(int image, struct mm_span packet, int file,
    struct mm_received *received, enum mm_error *ran)
{
	const int fds[MM_CHANNEL_FDS] = {file, -1};
	int ends[2];
	enum mm_error error;

	assert_int_equal(mm_channel_pair(ends), MM_OK);
	assert_int_equal(mm_channel_send_bytes(ends[0], packet, fds), MM_OK);
	*ran = mm_inspector_run(image, ends[1]);
	close(ends[1]);
	error = mm_channel_receive(ends[0], received);
	close(ends[0]);
	return error;
}

/* A call and its answer, whose body points into `received`. */
static enum mm_error
call(int image, uint64_t type, const struct mm_shape *shape,
    const void *request, int file, struct mm_received *received)
{
	mm_auto(buffer) packet = {0};
	enum mm_error ran;

	mm_buffer_init(&packet, MM_CHANNEL_MAX);
	assert_int_equal(
	    mm_packet_encode(type, 5, shape, request, &packet), MM_OK);
	assert_int_equal(
	    ask_bytes(image, mm_buffer_span(&packet), file, received, &ran),
	    MM_OK);
	assert_int_equal(received->packet.type, type);
	assert_int_equal(received->packet.id, 5);
	assert_int_equal(received->packet.error, ran);
	return ran;
}

/* An answer and what it points to. */
struct told {
	struct mm_received received;
	struct mm_arena arena;
	struct mm_inspect_answer answer;
};

static void
mm_told_clear(struct told *told)
{
	mm_received_clear(&told->received);
	mm_arena_clear(&told->arena);
}
#define told_auto __attribute__((cleanup(mm_told_clear)))
#define TOLD_NOTHING \
	{ \
		.received = {.fds = {-1, -1} } \
	}

static enum mm_error
inspect(int image, const struct mm_inspect_request *request, int file,
    struct told *told)
{
	enum mm_error ran;

	mm_received_clear(&told->received);
	mm_arena_clear(&told->arena);
	mm_arena_init(&told->arena, ARENA);
	ran = call(image, MM_INSPECTOR_INSPECT, &mm_inspect_request_shape,
	    request, file, &told->received);
	if (ran == MM_OK)
		assert_int_equal(mm_shape_decode(&mm_inspect_answer_shape,
				     told->received.packet.body, &told->arena,
				     &told->answer),
		    MM_OK);
	return ran;
}

static enum mm_error
inspect_plainly(int image, uint64_t max)
{
	const struct mm_inspect_request request = {.max = max};
	told_auto struct told told = TOLD_NOTHING;

	return inspect(image, &request, -1, &told);
}

static struct mm_span
digest_at(const struct told *told, size_t i)
{
	return mm_span(
	    mm_list_at(told->answer.digests, struct mm_hash_item, i)->value,
	    32);
}

static struct mm_span
fault_at(const struct told *told, size_t i)
{
	return mm_list_at(told->answer.faults, struct mm_text_item, i)->value;
}

/* --- facts and digests --- */

static void
a_sealed_image_is_answered(void **state)
{
	const struct mm_text_item signings[] = {
	    {mm_span_text("sha256-ecdsa:any-key")}, {mm_span_text("mcuboot")},
	    {mm_span_text("mcuboot:other")}};
	const struct mm_inspect_request request = {
	    .max = 100, .signings = {signings, 3}};
	mm_autoclose int image = make_memfd(mm_span_text("abc"), SEALS);
	told_auto struct told told = TOLD_NOTHING;

	(void)state;
	assert_int_equal(inspect(image, &request, -1, &told), MM_OK);
	assert_int_equal(told.answer.facts.size, 3);
	assert_hex(mm_span(told.answer.facts.sha256, 32), sha256_abc);
	assert_int_equal(told.answer.digests.count, 3);
	assert_int_equal(told.answer.faults.count, 3);
	assert_hex(digest_at(&told, 0), sha256_abc);
	assert_true(mm_span_is(fault_at(&told, 0), "-"));
	/* A plain file is none for MCUboot, and that is an answer, too. */
	assert_hex(digest_at(&told, 1), no_digest);
	assert_true(fault_at(&told, 1).size > 1);
	assert_true(mm_span_equal(fault_at(&told, 1), fault_at(&told, 2)));
}

static void
facts_of_a_format_arrive(void **state)
{
	const struct mm_text_item signings[] = {
	    {mm_span_text("secure-boot-v2-rsa3072")}};
	const struct mm_inspect_request request = {.max = LIMIT,
	    .as = mm_span_text("esp-app"),
	    .signings = {signings, 1}};
	mm_auto(buffer) app = {0};
	told_auto struct told told = TOLD_NOTHING;
	struct mm_prefix_hash wanted = {.size = 832, .fill = 4096 - 832};

	(void)state;
	esp_vector("c3_min.bin", &app);
	mm_autoclose int image = make_memfd(mm_buffer_span(&app), SEALS);
	assert_int_equal(inspect(image, &request, -1, &told), MM_OK);
	assert_true(mm_span_is(told.answer.facts.project, "demo-c3"));
	assert_int_equal(
	    mm_list_at(told.answer.facts.esp, struct mm_esp_facts, 0)
		->segments.count,
	    3);
	assert_int_equal(mm_hash_prefixes((struct mm_span){0},
			     mm_buffer_span(&app), &wanted, 1),
	    MM_OK);
	assert_true(
	    mm_span_equal(digest_at(&told, 0), mm_span(wanted.out, 32)));
}

static void
broken_images_are_refused(void **state)
{
	mm_auto(buffer) app = {0};

	(void)state;
	esp_vector("bad_checksum_rehashed.bin", &app);
	mm_autoclose int image = make_memfd(mm_buffer_span(&app), SEALS);
	assert_int_equal(inspect_plainly(image, LIMIT), MM_E_IMAGE);
}

static void
images_have_a_limit(void **state)
{
	mm_autoclose int image = make_memfd(mm_span_text("abc"), SEALS);

	(void)state;
	assert_int_equal(inspect_plainly(image, 4), MM_OK);
	assert_int_equal(inspect_plainly(image, 3), MM_OK);
	assert_int_equal(inspect_plainly(image, 2), MM_E_IMAGE_SIZE);
}

static void
every_seal_is_needed(void **state)
{
	static const int seals[] = {
	    F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE, SEALS};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(seals); i++) {
		mm_autoclose int image =
		    make_memfd(mm_span_text("abc"), SEALS & ~seals[i]);

		assert_int_equal(inspect_plainly(image, 100), MM_E_INSPECTOR);
	}
}

static void
only_files_are_images(void **state)
{
	mm_autoclose int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	mm_autoclose int empty = make_memfd(mm_span_text(""), SEALS);

	(void)state;
	assert_int_equal(inspect_plainly(null, 100), MM_E_INSPECTOR);
	assert_int_equal(inspect_plainly(-1, 100), MM_E_INSPECTOR);
	assert_int_equal(inspect_plainly(empty, 100), MM_E_INSPECTOR);
}

/* The appliance's own copy is a file that has a name. */
static void
kept_files_are_images(void **state)
{
	char path[256];
	mm_autoclose int named = make_file(path, sizeof(path), true);
	mm_autoclose int nameless = -1;

	(void)state;
	assert_int_equal(inspect_plainly(named, 100), MM_E_INSPECTOR);
	assert_int_equal(write(named, "abc", 3), 3);
	assert_int_equal(inspect_plainly(named, 100), MM_OK);
	assert_int_equal(inspect_plainly(named, 2), MM_E_IMAGE_SIZE);
	assert_int_equal(unlink(path), 0);
	nameless = make_file(path, sizeof(path), false);
	assert_int_equal(write(nameless, "abc", 3), 3);
	assert_int_equal(inspect_plainly(nameless, 100), MM_E_INSPECTOR);
}

static void
unknown_signings_and_calls_are_refused(void **state)
{
	const struct mm_text_item signings[] = {{mm_span_text("md5-rsa")}};
	struct mm_inspect_request request = {
	    .max = 100, .signings = {signings, 1}};
	mm_autoclose int image = make_memfd(mm_span_text("abc"), SEALS);
	mm_auto(received) received = {.fds = {-1, -1}};
	told_auto struct told told = TOLD_NOTHING;

	(void)state;
	assert_int_equal(inspect(image, &request, -1, &told), MM_E_SCHEME);
	request.signings.count = 0;
	request.as = mm_span_text("elf");
	assert_int_equal(inspect(image, &request, -1, &told), MM_E_IMAGE);
	assert_int_equal(
	    call(image, MM_INSPECTOR_PROVE + 1, &mm_inspect_request_shape,
		&request, -1, &received),
	    MM_E_PEER);
}

static void
malformed_requests_are_refused(void **state)
{
	mm_autoclose int image = make_memfd(mm_span_text("abc"), SEALS);
	mm_auto(received) received = {.fds = {-1, -1}};
	mm_auto(received) other = {.fds = {-1, -1}};
	enum mm_error ran;

	(void)state;
	assert_int_equal(call(image, MM_INSPECTOR_INSPECT, &mm_nothing_shape,
			     "", -1, &received),
	    MM_E_SHAPE);
	/* What is no packet at all is not worth an answer. */
	assert_int_equal(
	    ask_bytes(image, mm_span("\xff\xff", 2), -1, &other, &ran), MM_OK);
	assert_int_equal(ran, MM_E_PEER);
	assert_true(other.closed);
}

static void
nobody_asking_is_the_end(void **state)
{
	mm_autoclose int image = make_memfd(mm_span_text("abc"), SEALS);
	int ends[2];

	(void)state;
	assert_int_equal(mm_channel_pair(ends), MM_OK);
	close(ends[0]);
	assert_int_equal(mm_inspector_run(image, ends[1]), MM_E_INSPECTOR);
	close(ends[1]);
}

/* --- keeping --- */

static void
sound_images_are_kept_whole(void **state)
{
	const struct mm_inspect_request request = {.max = LIMIT, .keep = true};
	char path[256];
	mm_autoclose int file = make_file(path, sizeof(path), true);
	mm_auto(buffer) app = {0};
	mm_auto(buffer) kept = {0};
	told_auto struct told told = TOLD_NOTHING;

	(void)state;
	esp_vector("esp32_irom.bin", &app);
	mm_autoclose int image = make_memfd(mm_buffer_span(&app), SEALS);
	assert_int_equal(inspect(image, &request, file, &told), MM_OK);
	esp_load(path, &kept);
	assert_true(mm_span_equal(mm_buffer_span(&kept), mm_buffer_span(&app)));
	/* What is there already is not written over. */
	assert_int_equal(inspect(image, &request, file, &told), MM_E_PEER);
	assert_int_equal(unlink(path), 0);
}

static void
broken_images_are_not_kept(void **state)
{
	const struct mm_inspect_request request = {.max = LIMIT, .keep = true};
	char path[256];
	mm_autoclose int file = make_file(path, sizeof(path), false);
	mm_auto(buffer) app = {0};
	struct stat info;
	told_auto struct told told = TOLD_NOTHING;

	(void)state;
	esp_vector("bad_sha.bin", &app);
	mm_autoclose int image = make_memfd(mm_buffer_span(&app), SEALS);
	assert_int_equal(inspect(image, &request, file, &told), MM_E_IMAGE);
	assert_int_equal(fstat(file, &info), 0);
	assert_int_equal(info.st_size, 0);
}

static void
keeping_needs_a_file_and_says_so(void **state)
{
	struct mm_inspect_request request = {.max = LIMIT, .keep = true};
	char path[256];
	mm_autoclose int file = make_file(path, sizeof(path), false);
	mm_autoclose int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	mm_autoclose int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	mm_autoclose int image = make_memfd(mm_span_text("abc"), SEALS);
	mm_autoclose int only_read = -1;
	told_auto struct told told = TOLD_NOTHING;

	(void)state;
	assert_int_equal(inspect(image, &request, -1, &told), MM_E_PEER);
	assert_int_equal(inspect(image, &request, null, &told), MM_E_PEER);
	assert_int_equal(inspect(image, &request, full, &told), MM_E_PEER);
	only_read = make_file(path, sizeof(path), true);
	close(only_read);
	only_read = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(
	    inspect(image, &request, only_read, &told), MM_E_INSPECTOR);
	request.keep = false;
	assert_int_equal(inspect(image, &request, file, &told), MM_E_PEER);
}

/* --- proving --- */

/* One signature, from files of the vectors. */
struct part {
	const char *signing, *key, *signature;
};
enum { PARTS = 3 };

struct prove {
	const char *image, *as;
	enum mm_resign resign;
	struct part parts[PARTS];
};

/* What the request's spans point to. */
struct files {
	struct mm_buffer spki[PARTS], signature[PARTS];
};

static void
mm_files_clear(struct files *files)
{
	for (size_t i = 0; i < PARTS; i++) {
		mm_buffer_clear(&files->spki[i]);
		mm_buffer_clear(&files->signature[i]);
	}
}

static void
load_spki(const char *name, struct mm_buffer *out)
{
	struct mm_public_key key;
	mm_auto(buffer) pem = {0};
	char path[256];

	snprintf(path, sizeof(path), KEYS "%s.pub.pem", name);
	esp_load(path, &pem);
	assert_int_equal(mm_public_key_read(mm_buffer_span(&pem), &key), MM_OK);
	mm_buffer_init(out, MM_PROVE_SPKI_MAX);
	assert_int_equal(mm_public_key_spki(&key, out), MM_OK);
}

/* `harm`: the signature whose last byte is changed; -1: none. */
static enum mm_error
prove_harmed(const struct prove *prove, int image, int harm, uint64_t max)
{
	__attribute__((cleanup(mm_files_clear))) struct files files = {0};
	mm_auto(received) received = {.fds = {-1, -1}};
	struct mm_prove_signature signatures[PARTS];
	struct mm_prove_image request = {
	    .max = max, .as = mm_span_text(prove->as), .resign = prove->resign};
	mm_auto(buffer) bytes = {0};
	size_t count = 0;
	enum mm_error error;

	esp_load(prove->image, &bytes);
	assert_int_equal(
	    mm_hash(mm_buffer_span(&bytes), request.sha256), MM_OK);
	for (; count < PARTS && prove->parts[count].signing != NULL; count++) {
		const struct part *part = &prove->parts[count];
		struct mm_buffer *signature = &files.signature[count];

		load_spki(part->key, &files.spki[count]);
		esp_load(part->signature, signature);
		signature->data[signature->size - 1] ^=
		    (int)count == harm ? 1 : 0;
		signatures[count] =
		    (struct mm_prove_signature){mm_span_text(part->signing),
			mm_buffer_span(&files.spki[count]),
			mm_buffer_span(signature)};
	}
	request.signatures = (struct mm_list){signatures, count};
	error = call(image, MM_INSPECTOR_PROVE, &mm_prove_image_shape, &request,
	    -1, &received);
	if (error == MM_OK)
		assert_int_equal(received.packet.body.size, 0);
	return error;
}

static enum mm_error
prove_one(const struct prove *prove, int harm)
{
	mm_auto(buffer) bytes = {0};

	esp_load(prove->image, &bytes);
	mm_autoclose int image = make_memfd(mm_buffer_span(&bytes), SEALS);
	return prove_harmed(prove, image, harm, LIMIT);
}

#define P256 \
	{ \
		"secure-boot-v2-ecdsa256", "sbv2-p256-1", V2 "pre_p256.sig" \
	}
#define RSA_0 \
	{ \
		"secure-boot-v2-rsa3072:a", "sbv2-rsa1", V2 "rsa_pre_x2_0.sig" \
	}
#define RSA_1 \
	{ \
		"secure-boot-v2-rsa3072:b", "sbv2-rsa2", V2 "rsa_pre_x2_1.sig" \
	}
#define AWS \
	{ \
		"sha256-ecdsa", "csk-p256", VECTORS "aws_ota/app_c3.sig.der" \
	}

static const struct prove good[] = {
    {VECTORS "aws_ota/in/app_c3.bin", "esp-app", MM_RESIGN_REFUSE, {AWS}},
    {V2 "in/d8192.bin", "", MM_RESIGN_REFUSE, {P256}},
    {V2 "in/d4096.bin", "plain", MM_RESIGN_REFUSE, {RSA_0, RSA_1}},
    {VECTORS "mcuboot/fix_p256.bin", "mcuboot", MM_RESIGN_REPLACE,
	{{"mcuboot", "mcuboot-p256", VECTORS "mcuboot/fix_p256.sig.der"}}},
};

static void
what_verifies_is_proven(void **state)
{
	(void)state;
	for (size_t i = 0; i < MM_COUNT(good); i++)
		assert_int_equal(prove_one(&good[i], -1), MM_OK);
}

static void
what_does_not_verify_is_refused(void **state)
{
	struct prove other_key = good[1];

	(void)state;
	for (size_t i = 0; i < MM_COUNT(good); i++)
		for (int harm = 0; good[i].parts[harm].signing != NULL; harm++)
			assert_int_equal(
			    prove_one(&good[i], harm), MM_E_IMAGE_SIGNATURE);
	other_key.parts[0].key = "sbv2-p256-2";
	assert_int_equal(prove_one(&other_key, -1), MM_E_IMAGE_SIGNATURE);
}

static void
keys_must_fit_their_scheme(void **state)
{
	struct prove prove = good[1];

	(void)state;
	prove.parts[0].key = "sbv2-rsa1";
	assert_int_equal(prove_one(&prove, -1), MM_E_KEY_TYPE);
	prove.parts[0].key = "sbv2-p256-1";
	prove.parts[0].signing = "secure-boot-v3";
	assert_int_equal(prove_one(&prove, -1), MM_E_SCHEME);
}

static void
another_image_is_not_proven(void **state)
{
	static const char *const others[] = {
	    V2 "in/d4096.bin", ESP_VECTORS "bad_sha.bin"};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(others); i++) {
		mm_auto(buffer) bytes = {0};

		esp_load(others[i], &bytes);
		mm_autoclose int image =
		    make_memfd(mm_buffer_span(&bytes), SEALS);
		assert_int_equal(prove_harmed(&good[1], image, -1, LIMIT),
		    MM_E_IMAGE_ABSENT);
	}
}

static void
proving_has_the_same_limits(void **state)
{
	mm_auto(buffer) bytes = {0};

	(void)state;
	esp_load(good[1].image, &bytes);
	mm_autoclose int image = make_memfd(mm_buffer_span(&bytes), SEALS);
	mm_autoclose int unsealed = make_memfd(mm_buffer_span(&bytes), 0);
	assert_int_equal(prove_harmed(&good[1], image, -1, 8192), MM_OK);
	assert_int_equal(
	    prove_harmed(&good[1], image, -1, 8191), MM_E_IMAGE_SIZE);
	assert_int_equal(
	    prove_harmed(&good[1], unsealed, -1, LIMIT), MM_E_INSPECTOR);
}

static void
signed_images_are_signed_as_the_policy_says(void **state)
{
	struct prove prove = {
	    V2 "rsa_pre_x2.bin", "", MM_RESIGN_REFUSE, {RSA_0}};

	(void)state;
	assert_int_equal(prove_one(&prove, -1), MM_E_IMAGE_SIGNED);
	/* Its block 0 is this key's. */
	prove.resign = MM_RESIGN_APPEND;
	assert_int_equal(prove_one(&prove, -1), MM_E_IMAGE_SIGNED);
	prove.resign = MM_RESIGN_REPLACE;
	assert_int_equal(prove_one(&prove, -1), MM_OK);
}

static void
families_do_not_mix(void **state)
{
	const struct prove prove = {V2 "in/d8192.bin", "", MM_RESIGN_REFUSE,
	    {P256, {"secure-boot-v1", "sbv2-p256-1", V2 "pre_p256.sig"}}};

	(void)state;
	assert_int_equal(prove_one(&prove, -1), MM_E_SCHEME);
}

/* The signed image is made in memory of the inspector's own. */
static void
proving_changes_no_file(void **state)
{
	char path[256];
	mm_autoclose int file = make_file(path, sizeof(path), true);
	mm_auto(buffer) bytes = {0};
	mm_auto(buffer) after = {0};

	(void)state;
	esp_load(good[1].image, &bytes);
	assert_int_equal(
	    write(file, bytes.data, bytes.size), (ssize_t)bytes.size);
	assert_int_equal(prove_harmed(&good[1], file, -1, LIMIT), MM_OK);
	esp_load(path, &after);
	assert_true(
	    mm_span_equal(mm_buffer_span(&after), mm_buffer_span(&bytes)));
	assert_int_equal(unlink(path), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_sealed_image_is_answered),
	    cmocka_unit_test(facts_of_a_format_arrive),
	    cmocka_unit_test(broken_images_are_refused),
	    cmocka_unit_test(images_have_a_limit),
	    cmocka_unit_test(every_seal_is_needed),
	    cmocka_unit_test(only_files_are_images),
	    cmocka_unit_test(kept_files_are_images),
	    cmocka_unit_test(unknown_signings_and_calls_are_refused),
	    cmocka_unit_test(malformed_requests_are_refused),
	    cmocka_unit_test(nobody_asking_is_the_end),
	    cmocka_unit_test(sound_images_are_kept_whole),
	    cmocka_unit_test(broken_images_are_not_kept),
	    cmocka_unit_test(keeping_needs_a_file_and_says_so),
	    cmocka_unit_test(what_verifies_is_proven),
	    cmocka_unit_test(what_does_not_verify_is_refused),
	    cmocka_unit_test(keys_must_fit_their_scheme),
	    cmocka_unit_test(another_image_is_not_proven),
	    cmocka_unit_test(proving_has_the_same_limits),
	    cmocka_unit_test(signed_images_are_signed_as_the_policy_says),
	    cmocka_unit_test(families_do_not_mix),
	    cmocka_unit_test(proving_changes_no_file)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
