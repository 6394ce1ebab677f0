package rig

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// postgresVariable names the environment variable with the version of the
// PostgreSQL that tests start where they ask for none.
const postgresVariable = "RIG_POSTGRES"

// PostgresVersions returns the versions that are installed, the oldest first:
// those of test/tools and those of Debian.
func PostgresVersions() ([]int, error) {
	var versions []int
	for _, folder := range []string{debianPostgres, toolsPostgres()} {
		found, err := filepath.Glob(folder + "/*/bin/postgres")
		if err != nil {
			return nil, err
		}
		for _, program := range found {
			version, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(program))))
			if err == nil {
				versions = append(versions, version)
			}
		}
	}
	slices.Sort(versions)
	return slices.Compact(versions), nil
}

// debianPostgres has a folder for each version, as toolsPostgres has.
const debianPostgres = "/usr/lib/postgresql"

func toolsPostgres() string {
	output, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return ""
	}
	return filepath.Join(filepath.Dir(strings.TrimSpace(string(output))), ".tools", "postgresql")
}

// askedVersion is what the environment asks for; 0 is the newest of Debian.
func askedVersion() (int, error) {
	text := os.Getenv(postgresVariable)
	if text == "" {
		return 0, nil
	}
	version, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("%s: %q is no version such as 15", postgresVariable, text)
	}
	return version, nil
}

// postgresPrograms returns the folder with the programs of a version; 0 is the
// newest that Debian has installed.
func postgresPrograms(version int) (string, error) {
	name := strconv.Itoa(version)
	patterns := []string{filepath.Join(debianPostgres, name), filepath.Join(toolsPostgres(), name)}
	if version == 0 {
		patterns = []string{debianPostgres + "/*"}
	}
	for _, pattern := range patterns {
		found, err := filepath.Glob(pattern + "/bin/postgres")
		if err != nil {
			return "", err
		}
		if len(found) > 0 {
			return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return postgresVersion(a) - postgresVersion(b) })), nil
		}
	}
	return "", fmt.Errorf("PostgreSQL %d is not installed: run test/tools test, or test/tools postgres %d", version, version)
}

func postgresVersion(program string) int {
	version, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(program))))
	return version
}
