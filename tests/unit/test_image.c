/* Images: their facts, the schemes, and the inspector's one answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "signer/image.h"
#include "signer/scheme.h"

enum {
	SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE,
	CALL = MM_INSPECTOR_INSPECT
};

/* FIPS 180-2 appendix B.1 */
static const uint8_t sha256_abc[32] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf,
    0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61,
    0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15,
    0xad};

static int
make_memfd(const char *bytes, int seals)
{
	int fd = memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(
	    write(fd, bytes, strlen(bytes)), (ssize_t)strlen(bytes));
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static void
facts_are_read_from_the_bytes(void **state)
{
	struct mm_image_facts facts;

	(void)state;
	assert_int_equal(mm_image_read(mm_span("abc", 3), &facts), MM_OK);
	assert_int_equal(facts.size, 3);
	assert_memory_equal(facts.sha256, sha256_abc, 32);
	assert_true(mm_span_is(facts.format, "plain"));
}

static void
nothing_is_no_image(void **state)
{
	struct mm_image_facts facts = {.size = 77};

	(void)state;
	assert_int_equal(mm_image_read(mm_span("", 0), &facts), MM_E_INSPECTOR);
	assert_int_equal(facts.size, 77);
}

static void
schemes_are_known_by_their_whole_name(void **state)
{
	const struct mm_scheme *scheme =
	    mm_scheme_find(mm_span_text("sha256-ecdsa"));
	uint8_t digest[32];

	(void)state;
	assert_non_null(scheme);
	assert_int_equal(
	    scheme->digest(mm_span("abc", 3), sha256_abc, digest), MM_OK);
	assert_memory_equal(digest, sha256_abc, 32);
	assert_null(mm_scheme_find(mm_span_text("sha256-ecds")));
	assert_null(mm_scheme_find(mm_span_text("sha256-ecdsa2")));
	assert_null(mm_scheme_find(mm_span_text("")));
}

/*
 * Asks an inspector, which has the request before it runs: a SEQPACKET pair
 * keeps it. `ran` is how the inspector's life ended.
 */
static enum mm_error
ask_bytes(int memfd, struct mm_span packet, struct mm_received *received,
    enum mm_error *ran)
{
	static const int no_fds[MM_CHANNEL_FDS] = {-1, -1};
	int ends[2];
	enum mm_error error;

	assert_int_equal(mm_channel_pair(ends), MM_OK);
	assert_int_equal(mm_channel_send_bytes(ends[0], packet, no_fds), MM_OK);
	*ran = mm_inspector_run(memfd, ends[1]);
	close(ends[1]);
	error = mm_channel_receive(ends[0], received);
	close(ends[0]);
	return error;
}

static enum mm_error
ask(int memfd, uint64_t type, const char *scheme, uint64_t max,
    struct mm_inspect_answer *answer)
{
	const struct mm_inspect_request request = {mm_span_text(scheme), max};
	mm_auto(received) received = {.fds = {-1, -1}};
	mm_auto(buffer) packet = {0};
	mm_auto(arena) arena = {0};
	enum mm_error ran;

	mm_buffer_init(&packet, 4096);
	mm_arena_init(&arena, 4096);
	assert_int_equal(mm_packet_encode(type, 5, &mm_inspect_request_shape,
			     &request, &packet),
	    MM_OK);
	assert_int_equal(
	    ask_bytes(memfd, mm_buffer_span(&packet), &received, &ran), MM_OK);
	assert_int_equal(received.packet.type, type);
	assert_int_equal(received.packet.id, 5);
	assert_int_equal(received.packet.error, ran);
	if (ran == MM_OK)
		assert_int_equal(mm_shape_decode(&mm_inspect_answer_shape,
				     received.packet.body, &arena, answer),
		    MM_OK);
	return ran;
}

static void
a_sealed_image_is_answered(void **state)
{
	mm_autoclose int memfd = make_memfd("abc", SEALS);
	struct mm_inspect_answer answer;

	(void)state;
	assert_int_equal(ask(memfd, CALL, "sha256-ecdsa", 100, &answer), MM_OK);
	assert_int_equal(answer.facts.size, 3);
	assert_memory_equal(answer.facts.sha256, sha256_abc, 32);
	assert_memory_equal(answer.digest, sha256_abc, 32);
}

static void
images_have_a_limit(void **state)
{
	mm_autoclose int memfd = make_memfd("abc", SEALS);
	struct mm_inspect_answer answer;

	(void)state;
	assert_int_equal(ask(memfd, CALL, "sha256-ecdsa", 4, &answer), MM_OK);
	assert_int_equal(ask(memfd, CALL, "sha256-ecdsa", 3, &answer), MM_OK);
	assert_int_equal(
	    ask(memfd, CALL, "sha256-ecdsa", 2, &answer), MM_E_IMAGE_SIZE);
}

static void
every_seal_is_needed(void **state)
{
	static const int seals[] = {
	    F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE, SEALS};
	struct mm_inspect_answer answer;

	(void)state;
	for (size_t i = 0; i < MM_COUNT(seals); i++) {
		mm_autoclose int memfd = make_memfd("abc", SEALS & ~seals[i]);

		assert_int_equal(ask(memfd, CALL, "sha256-ecdsa", 100, &answer),
		    MM_E_INSPECTOR);
	}
}

static void
only_memfds_are_images(void **state)
{
	mm_autoclose int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct mm_inspect_answer answer;

	(void)state;
	assert_int_equal(
	    ask(null, CALL, "sha256-ecdsa", 100, &answer), MM_E_INSPECTOR);
	assert_int_equal(
	    ask(-1, CALL, "sha256-ecdsa", 100, &answer), MM_E_INSPECTOR);
}

static void
empty_images_are_refused(void **state)
{
	mm_autoclose int memfd = make_memfd("", SEALS);
	struct mm_inspect_answer answer;

	(void)state;
	assert_int_equal(
	    ask(memfd, CALL, "sha256-ecdsa", 100, &answer), MM_E_INSPECTOR);
}

static void
unknown_schemes_and_calls_are_refused(void **state)
{
	mm_autoclose int memfd = make_memfd("abc", SEALS);
	struct mm_inspect_answer answer;

	(void)state;
	assert_int_equal(
	    ask(memfd, CALL, "md5-rsa", 100, &answer), MM_E_SCHEME);
	assert_int_equal(
	    ask(memfd, CALL + 1, "sha256-ecdsa", 100, &answer), MM_E_PEER);
}

static void
malformed_requests_are_refused(void **state)
{
	mm_autoclose int memfd = make_memfd("abc", SEALS);
	mm_auto(received) received = {.fds = {-1, -1}};
	mm_auto(received) other = {.fds = {-1, -1}};
	mm_auto(buffer) packet = {0};
	enum mm_error ran;

	(void)state;
	mm_buffer_init(&packet, 4096);
	assert_int_equal(
	    mm_packet_encode(CALL, 5, &mm_nothing_shape, "", &packet), MM_OK);
	assert_int_equal(
	    ask_bytes(memfd, mm_buffer_span(&packet), &received, &ran), MM_OK);
	assert_int_equal(ran, MM_E_SHAPE);
	assert_int_equal(received.packet.error, MM_E_SHAPE);
	/* What is no packet at all is not worth an answer. */
	assert_int_equal(
	    ask_bytes(memfd, mm_span("\xff\xff", 2), &other, &ran), MM_OK);
	assert_int_equal(ran, MM_E_PEER);
	assert_true(other.closed);
}

static void
nobody_asking_is_the_end(void **state)
{
	mm_autoclose int memfd = make_memfd("abc", SEALS);
	int ends[2];

	(void)state;
	assert_int_equal(mm_channel_pair(ends), MM_OK);
	close(ends[0]);
	assert_int_equal(mm_inspector_run(memfd, ends[1]), MM_E_INSPECTOR);
	close(ends[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(facts_are_read_from_the_bytes),
	    cmocka_unit_test(nothing_is_no_image),
	    cmocka_unit_test(schemes_are_known_by_their_whole_name),
	    cmocka_unit_test(a_sealed_image_is_answered),
	    cmocka_unit_test(images_have_a_limit),
	    cmocka_unit_test(every_seal_is_needed),
	    cmocka_unit_test(only_memfds_are_images),
	    cmocka_unit_test(empty_images_are_refused),
	    cmocka_unit_test(unknown_schemes_and_calls_are_refused),
	    cmocka_unit_test(malformed_requests_are_refused),
	    cmocka_unit_test(nobody_asking_is_the_end)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
