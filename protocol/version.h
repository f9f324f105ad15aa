/*
 * The version of the whole: what both programs say with --version, and what
 * stands in the log's `start` entries.
 */
#ifndef MM_VERSION_H
#define MM_VERSION_H

#define MM_VERSION "0.1"

#endif
