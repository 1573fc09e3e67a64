// One call with net/http, whose default transport reads the proxy from the environment. Argument: the column of the matrix.
package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
)

func main() {
	column, base := os.Args[1], os.Getenv("BASE_URL")
	if err := call(column, base); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func call(column, base string) error {
	url, method, path := base, "GET", "/v1/hello"
	if base == "" {
		url = "http://api.test"
		if column == "https" || column == "refused" {
			url = "https://api.test"
		}
	}
	var body io.Reader
	switch column {
	case "upload":
		payload, err := os.ReadFile(os.Getenv("PAYLOAD"))
		if err != nil {
			return err
		}
		method, path, body = "PUT", "/upload", bytes.NewReader(payload)
	case "stream":
		path = "/stream"
	}
	request, err := http.NewRequest(method, url+path, body)
	if err != nil {
		return err
	}
	if base != "" {
		request.Header.Set("Authorization", "Bearer "+os.Getenv("API_KEY"))
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != 200 {
		return fmt.Errorf("answered %s", answer.Status)
	}
	_, err = io.Copy(os.Stdout, answer.Body)
	return err
}
