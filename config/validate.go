package config

import (
	"errors"
	"fmt"
	"net"
	"path"
	"strconv"
	"time"
)

// Bounds of all amounts. Durations are added up and to the present time, which
// must not overflow; every size is of something that is held in memory.
const (
	minDuration      = time.Millisecond
	maxDuration      = 365 * 24 * time.Hour
	maxSize     Size = 1 << 30
	// minResponseSize leaves room for an entry beside the frame of a page.
	minResponseSize Size = 1 << 10
	// minDescriptorSize leaves room for the types, and for what says which
	// annotations are left out.
	minDescriptorSize Size = 1 << 10
)

// zeroAllowed are the amounts that may be 0, each with a meaning that its
// document gives.
func zeroAllowed(path string) bool {
	switch path {
	case "referrers.recheckTag", "referrers.recheckNative", "permissions.cacheTTL", "server.drainTimeout", "server.shutdownDelay", "upstream.checkInterval", "auth.recheckRealm", "auth.cacheTTL",
		"limits.rate", "limits.clientRate", "limits.concurrency", "limits.clientConcurrency", "limits.transferInterval",
		"upstream.routes.rate", "upstream.routes.timeouts.connect", "upstream.routes.timeouts.responseHeader", "upstream.routes.timeouts.stall", "upstream.routes.timeouts.idle",
		"referrers.upstream.transfer",
		"reconcile.settleInterval", "reconcile.verifyInterval", "reconcile.missingTwice", "retention.interval", "coverage.interval",
		"cache.pages", "log.delay", "cache.manifests", "audit.keep", "notices.keep":
		return true
	default:
		return false
	}
}

// mistake is what is wrong with the value of a key.
type mistake struct {
	path, reason string
}

// validate returns what is wrong with the values as a whole.
func validate(cfg *Config) []mistake {
	var mistakes []mistake
	check := func(path string, err error) {
		if err != nil {
			mistakes = append(mistakes, mistake{path, err.Error()})
		}
	}
	walk(cfg, nil, func(f field) {
		if f.required && f.value.IsZero() {
			check(f.path, fmt.Errorf("is required; set it in the file, by %s, or by --upstream", f.env()))
		}
		check(f.path, f.checkAmount())
	})
	check("server.listen", checkListen(cfg.Server.Listen))
	check("server.listeners", checkListeners(cfg.Server.Listeners))
	check("server.publicURL", checkPublicURL(cfg.Server.PublicURL))
	checkTLS(cfg, check)
	validateServiceAt("upstream.service", cfg.Upstream.Service, check)
	validateRoutes(cfg, check)
	validateStores(cfg, check)
	validateAuth(cfg, check)
	validateUI(cfg, check)
	validateRetention(cfg, check)
	validateCoverage(cfg, check)
	validateArtifacts(cfg, check)
	validateNotices(cfg, check)
	validateVerify(cfg, check)
	if cfg.Referrers.FallbackTags == FallbackMirror && !cfg.Upstream.Service.Configured() {
		check("referrers.fallbackTags", errors.New("mirror needs upstream.service, to write the tags with"))
	}
	if cfg.Admin.Listen != "" {
		check("admin.listen", checkListen(cfg.Admin.Listen))
	}
	if cfg.Upstream.URL != nil && path.Base(cfg.Upstream.URL.Path) == "v2" {
		check("upstream.url", errors.New("must not end in /v2: it is added to every request"))
	}
	check("upstream.namespaces", checkNamespaces(cfg.Upstream.Namespaces))
	validateIndex(cfg.Index, check)
	validateDelete(cfg.Delete, check)
	if cfg.Log.AccessFile != "" && !cfg.Log.Access {
		check("log.accessFile", errors.New("has no lines to be written without log.access"))
	}
	if limits := cfg.Limits; limits.ManifestMemory > 0 && limits.ManifestSize <= maxSize && limits.ManifestMemory < limits.ManifestSize {
		check("limits.manifestMemory", fmt.Errorf("must be limits.manifestSize (%s) at least", limits.ManifestSize))
	}
	if size := cfg.Limits.ResponseSize; size > 0 && size < minResponseSize {
		check("limits.responseSize", fmt.Errorf("must be %s at least", minResponseSize))
	}
	if size := cfg.Limits.DescriptorSize; size > 0 && size < minDescriptorSize {
		check("limits.descriptorSize", fmt.Errorf("must be %s at least", minDescriptorSize))
	}
	return mistakes
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
	switch amount := f.value.Interface().(type) {
	case time.Duration:
		if amount > 0 && amount < minDuration {
			return fmt.Errorf("%s is shorter than a millisecond", amount)
		}
		if amount > maxDuration {
			return fmt.Errorf("%s is longer than a year", durationText(amount))
		}
	case Size:
		if amount > maxSize {
			return fmt.Errorf("%s is more than %s", amount, maxSize)
		}
	}
	return nil
}

// checkPair makes sure that two keys are set together.
func checkPair(value, other, otherPath string) error {
	if value != "" && other == "" {
		return fmt.Errorf("needs %s beside it", otherPath)
	}
	return nil
}

func checkListen(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%q is not an address such as 127.0.0.1:8080 or :8080", address)
	}
	if !isPort(port) {
		return fmt.Errorf("%q has no port from 0 to 65535", address)
	}
	return nil
}

func isPort(text string) bool {
	_, err := strconv.ParseUint(text, 10, 16)
	return err == nil
}
