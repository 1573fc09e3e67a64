# One call with Net::HTTP, which reads the proxy from the environment. Argument: the column of the matrix.
require 'net/http'

column = ARGV[0]
base = ENV['BASE_URL']
url = URI((base || "#{%w[https refused].include?(column) ? 'https' : 'http'}://api.test") +
          { 'upload' => '/upload', 'stream' => '/stream' }.fetch(column, '/v1/hello'))
request = (column == 'upload' ? Net::HTTP::Put : Net::HTTP::Get).new(url)
request['Authorization'] = "Bearer #{ENV['API_KEY']}" if base
request.body = File.binread(ENV['PAYLOAD']) if column == 'upload'
$stdout.sync = true
Net::HTTP.start(url.host, url.port, use_ssl: url.scheme == 'https') do |http|
  http.request(request) do |answer|
    answer.value # raises unless it is 2xx
    answer.read_body { |part| print part }
  end
end
