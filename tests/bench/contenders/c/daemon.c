/* The bare double fork that everybody copies: no error is looked at, nobody is told. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	size_t bytes = strtoul(argv[2], NULL, 10);
	if (bytes > 0) {
		char *data = malloc(bytes);
		memset(data, 1, bytes);
		__asm__ volatile("" : : "r"(data) : "memory");
	}

	if (fork() > 0)
		_exit(0);
	setsid();
	if (fork() > 0)
		_exit(0);
	chdir("/");
	umask(022);
	int null = open("/dev/null", O_RDWR);
	for (int fd = 0; fd <= 2; fd++)
		dup2(null, fd);
	close(null);

	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	if (argc > 4 && !strcmp(argv[4], "late"))
		usleep(500000);
	if (argc > 4 && !strcmp(argv[4], "exits")) {
		fprintf(stderr, "it has no disk\n");
		exit(3);
	}
	if (argc > 4 && !strcmp(argv[4], "crashes"))
		abort();
	uint64_t message[3] = {now.tv_sec * 1000000000ull + now.tv_nsec, getpid(), getenv("TERM") != NULL};
	int fifo = open(argv[1], O_WRONLY);
	write(fifo, message, sizeof message);
	close(fifo);
	sleep(600);
	return argc == 0;
}
