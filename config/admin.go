package config

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// Token reads the token of the admin listener. It is empty where no file is
// named; an empty file is an error, since it would open the listener instead
// of closing it.
func (a Admin) Token() (string, error) {
	if a.TokenFile == "" {
		return "", nil
	}
	content, err := os.ReadFile(a.TokenFile)
	if err != nil {
		return "", fmt.Errorf("admin.tokenFile: %w", err)
	}
	token := strings.TrimSpace(string(content))
	if token == "" {
		return "", errors.New("admin.tokenFile: the file holds no token")
	}
	return token, nil
}
