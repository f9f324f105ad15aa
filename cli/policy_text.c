#include "cli/policy_text.h"

/* The assembler takes the file in; the path is the project's root's. */
__asm__(".section .rodata\n"
	".global mm_policy_text_start\n"
	"mm_policy_text_start:\n"
	".incbin \"conf/policy.conf\"\n"
	".global mm_policy_text_end\n"
	"mm_policy_text_end:\n"
	".byte 0\n"
	".previous\n");

extern const uint8_t mm_policy_text_start[], mm_policy_text_end[];

struct mm_span
mm_policy_text(void)
{
	return mm_span(mm_policy_text_start,
	    (size_t)(mm_policy_text_end - mm_policy_text_start));
}
