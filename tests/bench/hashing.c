/*
 * How fast images are read: one of 16 MiB, as an ESP image and as a plain
 * file, again and again, in bytes a second of CPU time, which is what
 * `openssl speed` counts, too.
 *
 *	hashing SECONDS
 */
#include "tests/bench/measure.h"
#include "tests/unit/esp_make.h"

enum { ARENA = 1 << 20, IMAGE = 16 << 20, FLASH_SEGMENT = IMAGE - 4096 };

static double
read_for(struct mm_span image, struct mm_span as, double seconds)
{
	double began = cpu_of(getpid()), took = 0, bytes = 0;

	while (took < seconds) {
		struct mm_image_facts facts;
		mm_auto(arena) arena = {0};

		mm_arena_init(&arena, ARENA);
		if (mm_image_read(image, as, &arena, &facts) != MM_OK) {
			fprintf(stderr, "hashing: %s\n", mm_why(MM_E_IMAGE));
			exit(1);
		}
		bytes += (double)facts.size;
		took = cpu_of(getpid()) - began;
	}
	return bytes / took;
}

int
main(int argc, char **argv)
{
	const uint32_t sizes[] = {1024, 2048, FLASH_SEGMENT - 3072};
	mm_auto(buffer) image = {0};
	double seconds = argc == 2 ? strtod(argv[1], NULL) : 0;

	if (seconds <= 0)
		return 64;
	esp_make(sizes, MM_COUNT(sizes), &image);
	printf("esp %.0f\n", read_for(mm_buffer_span(&image),
				 mm_span_text("esp-image"), seconds));
	printf("plain %.0f\n",
	    read_for(mm_buffer_span(&image), mm_span_text("plain"), seconds));
	return 0;
}
