# cmake -DFILES=a;b -DTO=FILE.cc -P embed.cmake: files as bytes in the program, for admin/browser_page.h.
foreach(file ${FILES})
  file(READ ${file} hex HEX)
  file(SHA256 ${file} digest)
  get_filename_component(name ${file} NAME)
  string(MAKE_C_IDENTIFIER ${name} identifier)
  string(REGEX REPLACE "(..)" "'\\\\x\\1'," hex "${hex}")
  string(APPEND bytes "constexpr char k_${identifier}[] = {${hex}};\n")
  string(APPEND rows "    {\"${name}\", {k_${identifier}, sizeof k_${identifier}}, \"${digest}\"},\n")
endforeach()
file(WRITE ${TO} "#include \"admin/browser_page.h\"

namespace outrider::admin {

namespace {

${bytes}
constexpr PageFile kFiles[] = {
${rows}};

}  // namespace

std::span<const PageFile> page_files() { return kFiles; }

}  // namespace outrider::admin
")
