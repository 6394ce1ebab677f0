// Command kubedecode reads Kubernetes objects (YAML documents) from standard
// input and decodes each into the type of its kind, strictly: a field that the
// type lacks, one given twice, or one of another type is a mistake, and so is a
// kind that isn't known here. A pod that the Pod Security Standard "restricted"
// refuses is a mistake too. It prints the kind and name of each.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	documents "k8s.io/apimachinery/pkg/util/yaml"
	standard "k8s.io/pod-security-admission/api"
	security "k8s.io/pod-security-admission/policy"
	gateway "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"
)

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	var mistakes []error
	for reader := documents.NewYAMLReader(bufio.NewReader(in)); ; {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return errors.Join(mistakes...)
		}
		if err != nil {
			return err
		}
		name, err := decode(document)
		if err != nil {
			mistakes = append(mistakes, fmt.Errorf("%s: %w", name, err))
		} else if name != "" {
			fmt.Fprintln(out, name)
		}
	}
}

// decode returns the kind and name of an object; none for an empty document.
func decode(document []byte) (name string, err error) {
	var whole any
	if err := yaml.Unmarshal(document, &whole); err != nil || whole == nil {
		return "", err
	}
	var head struct {
		meta.TypeMeta   `json:",inline"`
		meta.ObjectMeta `json:"metadata"`
	}
	if err := yaml.Unmarshal(document, &head); err != nil {
		return string(bytes.TrimSpace(document)), err
	}
	name = head.Kind + " " + head.Name
	object := objectOf(head.APIVersion + " " + head.Kind)
	if object == nil {
		return name, fmt.Errorf("kind %s of %s is not known", head.Kind, head.APIVersion)
	}
	if err := yaml.UnmarshalStrict(document, object); err != nil {
		return name, err
	}
	return name, restricted(object)
}

// restricted returns why the standard refuses the pods of an object.
func restricted(object any) error {
	var pod core.PodTemplateSpec
	switch o := object.(type) {
	case *core.Pod:
		pod = core.PodTemplateSpec{ObjectMeta: o.ObjectMeta, Spec: o.Spec}
	case *apps.Deployment:
		pod = o.Spec.Template
	case *apps.StatefulSet:
		pod = o.Spec.Template
	case *batch.Job:
		pod = o.Spec.Template
	case *batch.CronJob:
		pod = o.Spec.JobTemplate.Spec.Template
	default:
		return nil
	}
	evaluator, err := security.NewEvaluator(security.DefaultChecks(), nil)
	if err != nil {
		return err
	}
	level := standard.LevelVersion{Level: standard.LevelRestricted, Version: standard.LatestVersion()}
	result := security.AggregateCheckResults(evaluator.EvaluatePod(level, &pod.ObjectMeta, &pod.Spec))
	if !result.Allowed {
		return fmt.Errorf("not restricted: %s: %s", result.ForbiddenReason(), result.ForbiddenDetail())
	}
	return nil
}

// objectOf returns an empty object of a kind; nil for one that isn't known.
func objectOf(kind string) any {
	switch kind {
	case "v1 ConfigMap":
		return new(core.ConfigMap)
	case "v1 Namespace":
		return new(core.Namespace)
	case "v1 PersistentVolumeClaim":
		return new(core.PersistentVolumeClaim)
	case "v1 Pod":
		return new(core.Pod)
	case "v1 Secret":
		return new(core.Secret)
	case "v1 Service":
		return new(core.Service)
	case "v1 ServiceAccount":
		return new(core.ServiceAccount)
	case "apps/v1 Deployment":
		return new(apps.Deployment)
	case "apps/v1 StatefulSet":
		return new(apps.StatefulSet)
	case "batch/v1 Job":
		return new(batch.Job)
	case "batch/v1 CronJob":
		return new(batch.CronJob)
	case "autoscaling/v2 HorizontalPodAutoscaler":
		return new(autoscaling.HorizontalPodAutoscaler)
	case "networking.k8s.io/v1 Ingress":
		return new(networking.Ingress)
	case "networking.k8s.io/v1 NetworkPolicy":
		return new(networking.NetworkPolicy)
	case "policy/v1 PodDisruptionBudget":
		return new(policy.PodDisruptionBudget)
	case "gateway.networking.k8s.io/v1 HTTPRoute":
		return new(gateway.HTTPRoute)
	case "monitoring.coreos.com/v1 ServiceMonitor":
		return new(monitoring.ServiceMonitor)
	case "monitoring.coreos.com/v1 PrometheusRule":
		return new(monitoring.PrometheusRule)
	default:
		return nil
	}
}
