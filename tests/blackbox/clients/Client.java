// One call with java.net.http, which reads where the proxy is from JAVA_TOOL_OPTIONS. Argument: the column of the matrix.
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.Base64;

public class Client {
    public static void main(String[] arguments) throws Exception {
        String column = arguments[0], base = System.getenv("BASE_URL");
        String url = base != null ? base : (column.equals("https") || column.equals("refused") ? "https" : "http") + "://api.test";
        String path = column.equals("upload") ? "/upload" : column.equals("stream") ? "/stream" : "/v1/hello";
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url + path));
        if (column.equals("upload")) {
            request.PUT(HttpRequest.BodyPublishers.ofFile(Path.of(System.getenv("PAYLOAD"))));
        }
        if (base != null) {
            request.header("Authorization", "Bearer " + System.getenv("API_KEY"));
        } else {
            // No option of the JVM holds a proxy's credentials; the request does, and the tunnel takes them from it.
            String user = URI.create(System.getenv("http_proxy")).getUserInfo();
            request.header("Proxy-Authorization", "Basic " + Base64.getEncoder().encodeToString(user.getBytes()));
        }
        HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        HttpResponse<InputStream> answer = client.send(request.build(), HttpResponse.BodyHandlers.ofInputStream());
        byte[] part = new byte[65536];
        for (int size; (size = answer.body().read(part)) > 0; System.out.flush()) {
            (answer.statusCode() == 200 ? System.out : System.err).write(part, 0, size);
        }
        System.exit(answer.statusCode() == 200 ? 0 : 1);
    }
}
