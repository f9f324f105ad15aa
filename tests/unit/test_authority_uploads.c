/*
 * Uploads whose connection was lost, as gates tell of them: what one of them
 * brings goes to who announced it, and to nobody else. A gate that lies is
 * ended, and none of its descriptors is ever read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/stat.h>

#include "tests/unit/authority_box.h"

static struct mm_park
part_of(struct mm_span who, uint64_t received, uint64_t size)
{
	struct mm_park park = {
	    .sha256 = {1}, .size = size, .received = received};

	digest_of(who, park.client);
	return park;
}

static int
memfd_of(size_t size)
{
	int fd = memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

static void
park(const struct mm_park *park, int fd)
{
	mm_auto(buffer) packet = {0};

	mm_buffer_init(&packet, MM_CHANNEL_MAX);
	ok(mm_packet_encode(MM_PARK, 0, &mm_park_shape, park, &packet));
	ok(mm_channel_send_bytes(
	    box.fds[GATE], mm_buffer_span(&packet), (const int[]){fd, -1}));
	if (fd >= 0)
		close(fd);
}

/* How much of an upload is there already. */
static uint64_t
announce(struct mm_span who, uint8_t id, uint64_t size, uint8_t first)
{
	struct mm_upload_request request = {.size = size, .sha256 = {first}};
	struct mm_upload_answer answer;
	struct mm_envelope envelope;

	ask(who, MM_MESSAGE_UPLOAD, id, &mm_upload_request_shape, &request);
	envelope = await(id);
	assert_int_equal(envelope.type, MM_MESSAGE_UPLOAD);
	ok(mm_shape_decode(
	    &mm_upload_answer_shape, envelope.body, &mint.arena, &answer));
	return answer.received;
}

static struct mm_park
good(void)
{
	return part_of(box.release_key, 5, 10);
}

static void
a_part_is_for_who_announced_it(void **unused)
{
	struct mm_park part = good();

	(void)unused;
	park(&part, memfd_of(5));
	/* Another image, another size. */
	assert_int_equal(announce(box.release_key, 1, 10, 2), 0);
	assert_int_equal(announce(box.release_key, 2, 11, 1), 0);
	assert_int_equal(announce(box.release_key, 3, 10, 1), 5);
	/* Once. */
	assert_int_equal(announce(box.release_key, 4, 10, 1), 0);
}

/* A gate says whose a part is; the others' are theirs all the same. */
static void
nobody_goes_on_with_anothers(void **unused)
{
	struct mm_park part = part_of(box.officer_key, 5, 10);

	(void)unused;
	park(&part, memfd_of(5));
	assert_int_equal(announce(box.release_key, 1, 10, 1), 0);
}

static void
the_newest_are_kept(void **unused)
{
	(void)unused;
	for (uint8_t i = 1; i <= 17; i++) {
		struct mm_park part = good();

		part.sha256[0] = i;
		park(&part, memfd_of(5));
	}
	assert_int_equal(announce(box.release_key, 1, 10, 1), 0);
	assert_int_equal(announce(box.release_key, 2, 10, 2), 5);
	assert_int_equal(announce(box.release_key, 3, 10, 17), 5);
}

/* The newest first, as far as there is room. */
static void
parts_have_a_limit_together(void **unused)
{
	const uint64_t most = 64 << 20;
	struct mm_park large = part_of(box.station_key, most, most);
	struct mm_park older = good(), newer = good();

	(void)unused;
	newer.sha256[0] = 2;
	park(&older, memfd_of(5));
	park(&large, memfd_of(most));
	park(&newer, memfd_of(5));
	assert_int_equal(announce(box.release_key, 1, 10, 1), 0);
	assert_int_equal(announce(box.release_key, 2, 10, 2), 5);
}

/* --- a gate that lies --- */

static int
no_descriptor(struct mm_park *part)
{
	(void)part;
	return -1;
}

static int
endless(struct mm_park *part)
{
	(void)part;
	return open("/dev/zero", O_RDWR | O_CLOEXEC);
}

static int
pipe_end(struct mm_park *part)
{
	int ends[2];

	(void)part;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	close(ends[1]);
	return ends[0];
}

static int
directory(struct mm_park *part)
{
	struct stat info;
	int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(fstat(fd, &info), 0);
	part->received = part->size = (uint64_t)info.st_size;
	return fd;
}

static int
named_file(struct mm_park *part)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/lie", box.directory);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)part->received), 0);
	return fd;
}

static int
sealed_already(struct mm_park *part)
{
	int fd = memfd_of(part->received);

	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	return fd;
}

static int
never_sealed(struct mm_park *part)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, (off_t)part->received), 0);
	return fd;
}

static int
shorter(struct mm_park *part)
{
	return memfd_of(part->received - 1);
}

static int
longer(struct mm_park *part)
{
	return memfd_of(part->received + 1);
}

static int
more_than_announced(struct mm_park *part)
{
	part->received = part->size + 1;
	return memfd_of(part->received);
}

static void
a_gate_that_parks_lies_is_ended(void **unused)
{
	static int (*const lies[])(struct mm_park *) = {no_descriptor, endless,
	    pipe_end, directory, named_file, sealed_already, never_sealed,
	    shorter, longer, more_than_announced};

	(void)unused;
	for (size_t i = 0; i < MM_COUNT(lies); i++) {
		struct mm_park part = good();
		int fd = lies[i](&part);

		park(&part, fd);
		while (box.fds[GATE] >= 0)
			if (!turn(WAIT_MS))
				fail_msg("lie %zu was believed", i);
		replace(GATE);
		assert_int_equal(announce(box.release_key, 1, 10, 1), 0);
	}
	ask_issue(2, "device-1", make_spki());
	(void)await_certificate(2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_part_is_for_who_announced_it),
	    TEST(nobody_goes_on_with_anothers),
	    TEST(the_newest_are_kept),
	    TEST(parts_have_a_limit_together),
	    TEST(a_gate_that_parks_lies_is_ended),
	};

	return cmocka_run_group_tests(tests, make_world, drop_world);
}
