package config

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"
)

// zeroAllowed are the amounts that may be 0, each with a meaning that its
// document gives.
func zeroAllowed(path string) bool {
	switch path {
	case "referrers.recheckTag", "referrers.recheckNative", "permissions.cacheTTL", "server.drainTimeout":
		return true
	default:
		return false
	}
}

// validate returns what is wrong with the values as a whole.
func validate(cfg *Config) []error {
	var errs []error
	fail := func(path, reason string) {
		errs = append(errs, fmt.Errorf("%s: %s", path, reason))
	}
	walk(cfg, nil, func(f field) {
		if f.required && f.value.IsZero() {
			fail(f.path, fmt.Sprintf("is required; set it in the file, by %s, or by --upstream", f.env()))
		}
		if err := f.checkAmount(); err != nil {
			fail(f.path, err.Error())
		}
	})
	if err := checkListen(cfg.Server.Listen); err != nil {
		fail("server.listen", err.Error())
	}
	if cfg.Admin.Listen != "" {
		if err := checkListen(cfg.Admin.Listen); err != nil {
			fail("admin.listen", err.Error())
		}
	}
	if tls := cfg.Server.TLS; (tls.CertFile == "") != (tls.KeyFile == "") {
		fail("server.tls", "needs both certFile and keyFile, or neither")
	}
	if cfg.Index.Path == "" {
		fail("index.path", "must not be empty")
	}
	return errs
}

// checkAmount makes sure that a number, size or duration can be one.
func (f field) checkAmount() error {
	if !f.value.CanInt() {
		return nil
	}
	switch amount := f.value.Int(); {
	case amount < 0:
		return errors.New("must not be negative")
	case amount == 0 && !zeroAllowed(f.path):
		return errors.New("must be above 0")
	}
	if d, isDuration := f.value.Interface().(time.Duration); isDuration && d > 0 && d < time.Millisecond {
		return fmt.Errorf("%s is shorter than a millisecond", d)
	}
	return nil
}

func checkListen(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%q is not an address such as 127.0.0.1:8080 or :8080", address)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%q has no port from 0 to 65535", address)
	}
	return nil
}
