//! Link options of the extension.

fn main() {
    // PHP unloads its extensions at the end, but the fork handlers that are registered with the C library stay, and
    // code that is still registered must not be unmapped.
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo:rustc-link-arg-cdylib=-Wl,-z,nodelete");
    }
    // The symbols of the engine are PHP's; they are found when the extension is loaded.
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("macos") {
        println!("cargo:rustc-link-arg-cdylib=-undefined");
        println!("cargo:rustc-link-arg-cdylib=dynamic_lookup");
    }
    println!("cargo:rerun-if-changed=build.rs");
}
