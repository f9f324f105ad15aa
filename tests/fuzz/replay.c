/*
 * Runs a fuzz target over the files of its arguments, without libFuzzer: so
 * that its corpus is a test for every compiler. Says how many it ran.
 */
#include <stdio.h>

#include "protocol/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		mm_auto(buffer) input = {0};

		mm_buffer_init(&input, 1 << 20);
		if (mm_file_read(argv[i], 1 << 20, &input) != MM_OK) {
			fprintf(stderr, "%s\n", mm_why(MM_E_FILE));
			return 1;
		}
		/* An empty file has no memory of its own. */
		LLVMFuzzerTestOneInput(
		    input.data != NULL ? input.data : (const uint8_t *)"",
		    input.size);
	}
	printf("%d inputs\n", argc - 1);
	return argc > 1 ? 0 : 1;
}
